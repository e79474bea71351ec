/** Ends what a test starts, whatever becomes of the test. */
import { spawn } from 'node:child_process'

export interface Guardian {
  add(pid: number): void
  remove(pid: number): void
}

/** Kills what this process started, and removes its folder if one is given, when this process goes away in whatever manner, SIGKILL too: its input ends then. */
export const startGuardian = (folder = ''): Guardian => {
  const script = `live=" "; while read -r op pid; do case $op in +) live="$live$pid ";; -) live="\${live%% $pid *} \${live#* $pid }";; esac; done
for pid in $live; do kill -9 "$pid" 2>/dev/null; done; sleep 0.2; [ -z "$1" ] || rm -rf "$1"`
  const guardian = spawn('sh', ['-c', script, 'guardian', folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  guardian.unref()
  const { stdin } = guardian
  stdin.on('error', () => undefined)
  ;(stdin as typeof stdin & { unref(): void }).unref()
  return { add: pid => stdin.write(`+ ${String(pid)}\n`), remove: pid => stdin.write(`- ${String(pid)}\n`) }
}
