-- What waits for somebody: the content beside the facts that say so, really deleted when it is done. Why: docs/decisions/0007-delivery.md.

CREATE TABLE mail (
  recipient TEXT NOT NULL,
  id TEXT NOT NULL,         -- the message's name (src/protocol/message-id.ts)
  sender TEXT NOT NULL,
  content TEXT NOT NULL,    -- ciphertext and what goes with it, as its owner writes it
  PRIMARY KEY (recipient, id)
) STRICT;

CREATE INDEX mail_by_sender ON mail (sender);
