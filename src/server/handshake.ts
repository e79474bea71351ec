/** From a stranger's first frame to a known peer: hello, admission, and the proof of possession both ways. */
import type { PublicKey } from '../ports/crypto.ts'
import { toBase64Url } from '../protocol/encoding.ts'
import type { AnyFrame, Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { ServerId } from '../protocol/ids.ts'
import { greetServer, greetUser, noteTls, pinNewcomer } from './admission.ts'
import type { Connection, Peer } from './connection.ts'
import type { Node } from './node.ts'
import { frameText, signedEvent } from './signed-event.ts'
import { verifyBy } from './verify.ts'

export interface Handshake {
  /** Says hello on a socket that we dialled. */
  start(): void
  /** Handles one frame of a stranger; rejects with a `ProtocolError` that is answered. */
  receive(frame: AnyFrame): Promise<void>
}

/** `expected` is the member that we dialled; undefined on an accepted socket. */
export const createHandshake = (node: Node, connection: Connection, expected: ServerId | undefined): Handshake => {
  /** Who they say they are, admitted but for the proof. */
  let claimed: Peer | undefined
  let ourNonce: string | undefined
  /** Theirs, if it came before we knew who they are. */
  let theirNonce: string | undefined
  let theyProved = false
  let weProved = false
  let stockTimer = (): void => {}

  const done = async (peer: Peer): Promise<void> => {
    stockTimer()
    if (!connection.open || connection.peer !== undefined) return
    // what is not known for sure about them must not be decided as if nothing had been
    if (node.runtime.isSetAside(`${peer.role === 'server' ? 'link' : 'session'}:${peer.id}`))
      throw new ProtocolError('TIMEOUT', 'set_aside')
    if (peer.role === 'server') {
      if (peer.newcomer !== undefined) pinNewcomer(node, peer.newcomer)
      if (peer.proven && peer.moved !== undefined) noteTls(node, peer.id, peer.moved.tls)
      node.links.opened(connection, peer)
    } else await node.sessions.attach(connection, peer)
  }
  const announce = async (): Promise<void> => {
    connection.channel.send('control', await node.introducer.announcement(expected ?? claimed?.id ?? '*'))
  }
  const challenge = (): void => {
    ourNonce = toBase64Url(node.ports.random.bytes(32))
    const text = node.unsigned('CHALLENGE', claimed?.id ?? '*', { nonce: ourNonce })
    connection.channel.send('control', text)
  }
  const prove = async (nonce: string, to: Peer): Promise<void> => {
    const payload = {
      nonce,
      prover: node.self.id,
      verifier: to.id,
      role: 'server',
      // a user has no other place to learn what to pin; to a server it says which end of the socket we are
      ...(to.role === 'user' ? { pubkey: node.self.pubkey } : { side: connection.direction }),
    }
    const event = signedEvent(node.signer, payload, to.role === 'user' ? 'stranger' : 'control')
    connection.channel.send('control', await frameText(event, { type: 'PROOF', from: node.self.id, to: to.id, ts: node.nextTs() }))
    weProved = true
  }
  const settle = async (): Promise<void> => {
    if (claimed === undefined) return
    if (!claimed.caps.includes('proof')) return done(claimed)
    if (theyProved && weProved) return done({ ...claimed, proven: true })
  }

  const hello = async (frame: AnyFrame): Promise<void> => {
    if (claimed !== undefined) throw new ProtocolError('NAME_IN_USE', 'second_hello')
    claimed = frame.type === 'USER_HELLO' ? await greetUser(node, connection, frame) : await greetServer(node, connection, frame, expected)
    if (connection.direction === 'accepted' && claimed.role === 'server') await announce()
    if (claimed.caps.includes('proof')) {
      challenge()
      if (theirNonce !== undefined) await prove(theirNonce, claimed)
    }
    await settle()
  }

  const onProof = async (frame: Frame<'PROOF'>, of: Peer): Promise<void> => {
    const { nonce, prover, verifier, role, side } = frame.payload
    if (ourNonce === undefined || nonce !== ourNonce || prover !== of.id || verifier !== node.self.id || role !== of.role)
      throw new ProtocolError('INVALID_SIG', 'wrong_proof')
    // whoever dials two servers could have each answer the other's challenge: then both accepted, and neither dialled
    if (of.role === 'server' && side !== (connection.direction === 'dialled' ? 'accepted' : 'dialled'))
      throw new ProtocolError('INVALID_SIG', 'relayed_proof')
    await verifyBy(node, frame, of.key)
    theyProved = true
    await settle()
  }

  return {
    start() {
      void announce().catch((error: unknown) => {
        connection.close(1013, error instanceof Error ? error.message : 'cannot sign')
      })
      stockTimer = node.ports.clock.after(node.config.timing.stockMs, () => {
        const member = expected === undefined ? undefined : node.state.membership.servers.get(expected)
        if (member === undefined || member.proven || claimed !== undefined) return
        node.keys
          .import(member.pubkey)
          .then(key => done(stockPeer(member.id, key)))
          .catch((error: unknown) => {
            connection.close(1002, error instanceof Error ? error.message : String(error))
          })
      })
    },
    async receive(frame) {
      switch (frame.type) {
        case 'USER_HELLO':
          if (expected !== undefined) throw new ProtocolError('UNKNOWN_TYPE', 'wrong_role')
          return hello(frame)
        case 'SERVER_ANNOUNCE':
        case 'SERVER_HELLO_LINK':
        case 'PEER_HELLO_LINK':
          return hello(frame)
        case 'SERVER_HELLO_JOIN':
          if (expected !== undefined) throw new ProtocolError('UNKNOWN_TYPE', 'wrong_role')
          return node.introducer.welcome(connection, frame)
        case 'CHALLENGE': {
          const { nonce } = frame.payload
          if (claimed === undefined) theirNonce = nonce
          else if (!weProved) await prove(nonce, claimed)
          return settle()
        }
        case 'PROOF':
          if (claimed === undefined) throw new ProtocolError('UNKNOWN_TYPE', 'before_hello')
          return onProof(frame, claimed)
        case 'CTRL_CLOSE':
          connection.close(1000, '')
          return
        case 'ERROR':
          node.log('info', 'a peer refused our hello', { peer: expected ?? claimed?.id, code: frame.payload.code })
          return
        case 'ACK':
          return
        default: {
          // a stock server that we dialled may begin to talk at once
          const member = expected === undefined ? undefined : node.state.membership.servers.get(expected)
          if (member === undefined || member.proven || claimed !== undefined) throw new ProtocolError('UNKNOWN_TYPE', 'before_hello')
          await done(stockPeer(member.id, await node.keys.import(member.pubkey)))
          node.links.receive(connection, frame)
        }
      }
    },
  }
}

const stockPeer = (id: ServerId, key: PublicKey): Peer => ({
  role: 'server',
  id,
  key,
  caps: [],
  proven: false,
  sendable: true,
  offset: 0,
  newcomer: undefined,
  moved: undefined,
})
