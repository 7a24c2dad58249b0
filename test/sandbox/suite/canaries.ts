// What an attempt to get out would touch: a file, the environment, sockets and a process of this host, and this process itself.
// Each tells that it was touched; nothing that a sandbox gives its own programs does.
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const VARIABLE = 'FLOTILLA_CANARY'
const SIGNAL = 'SIGCONT'

export class Canaries {
  /** Part of everything that there is to read. */
  readonly secret = `canary-${crypto.randomUUID()}`
  private readonly folder = new CanaryFolder(this.secret)
  private readonly alarms = new Set<string>()
  private readonly onSignal = () => void this.alarms.add('a signal reached this process')
  private victim: ChildProcess | null = null
  private sockets: Sockets | null = null

  static async lay(): Promise<Canaries> {
    const canaries = new Canaries()
    process.env[VARIABLE] = canaries.secret
    process.on(SIGNAL, canaries.onSignal)
    canaries.sockets = await listen(canaries.folder.socket, (what) => canaries.alarms.add(what))
    canaries.folder.lay()
    canaries.victim = await startVictim(canaries.secret)
    return canaries
  }

  /** Names of the canaries and their values, in Python. */
  get constants(): Readonly<Record<string, string | number>> {
    const { path, file, shared, socket } = this.folder
    return {
      ...{ DIR: path, FILE: file, SHARED: shared, UNIX: socket, ENV: VARIABLE },
      COMMAND: `echo x > ${join(path, 'written')}`,
      ...{ PORT: this.sockets?.tcpPort ?? 0, UDP: this.sockets?.udpPort ?? 0 },
      ...{ PID: this.victim?.pid ?? 0, HOST: process.pid },
    }
  }

  /** What was touched since the last look, given all that the attempt has shown. Mends it. */
  async touched(shown: string): Promise<string[]> {
    if (shown.includes(this.secret)) this.alarms.add('a secret was shown')
    if (this.folder.changed()) {
      this.alarms.add('a file was changed')
      this.folder.lay()
    }
    if (hasEnded(this.victim)) {
      this.alarms.add('a process was ended')
      this.victim = await startVictim(this.secret)
    }
    const touched = [...this.alarms]
    this.alarms.clear()
    return touched
  }

  async remove(): Promise<void> {
    process.off(SIGNAL, this.onSignal)
    delete process.env[VARIABLE]
    if (this.victim?.pid && !hasEnded(this.victim)) process.kill(-this.victim.pid, 'SIGKILL')
    await this.sockets?.close()
    this.folder.remove()
  }
}

const hasEnded = (child: ChildProcess | null) => child?.exitCode !== null || child.signalCode !== null

/** Shows the secret in its arguments and its environment, and wakes often enough to notice what is done to its memory. */
async function startVictim(secret: string): Promise<ChildProcess> {
  const env = { PATH: process.env['PATH'], [VARIABLE]: secret }
  const child = spawn('/bin/sh', ['-c', 'while :; do sleep 0.2; done', secret], {
    env,
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  })
  await once(child, 'spawn')
  return child
}

interface Sockets {
  readonly tcpPort: number
  readonly udpPort: number
  close(): Promise<void>
}

async function listen(path: string, touched: (what: string) => void): Promise<Sockets> {
  const server = () =>
    createServer((socket) => {
      touched('a server was reached')
      socket.on('error', () => {}).end('no\n')
    })
  const tcp = server().listen(0, '127.0.0.1')
  const local = server().listen(path)
  const udp = createSocket('udp4').on('message', () => touched('a datagram arrived'))
  udp.bind(0, '127.0.0.1')
  await Promise.all([once(tcp, 'listening'), once(local, 'listening'), once(udp, 'listening')])
  return {
    tcpPort: (tcp.address() as AddressInfo).port,
    udpPort: udp.address().port,
    async close() {
      udp.close()
      for (const one of [tcp, local]) one.close()
      await Promise.all([once(tcp, 'close'), once(local, 'close')])
    },
  }
}

/** Open to everybody, so that nothing but a sandbox keeps an attempt out. */
class CanaryFolder {
  readonly path = fs.mkdtempSync(join(tmpdir(), 'flotilla-canary-'))
  readonly file = join(this.path, 'file')
  readonly shared: string
  readonly socket: string
  private readonly secret: string
  private readonly outside = fs.mkdtempSync(join(tmpdir(), 'flotilla-socket-'))
  private state = ''

  constructor(secret: string) {
    this.secret = secret
    this.socket = join(this.outside, 'socket')
    const shared = fs.existsSync('/dev/shm') ? '/dev/shm' : this.outside
    this.shared = join(shared, secret)
    fs.writeFileSync(this.shared, secret)
  }

  /** As Python, the file is an error that shows the secret. */
  lay(): void {
    fs.rmSync(this.path, { recursive: true, force: true })
    fs.mkdirSync(this.path)
    fs.writeFileSync(this.file, `${this.secret}\n`)
    fs.writeFileSync(join(this.path, 'canary_module.py'), `SECRET = '${this.secret}'\n`)
    fs.writeFileSync(join(this.path, `${this.secret}.txt`), '')
    fs.symlinkSync(`/${this.secret}`, join(this.path, 'link'))
    for (const name of [this.path, this.file]) fs.chmodSync(name, name === this.path ? 0o777 : 0o666)
    this.state = this.look()
  }

  changed(): boolean {
    return this.look() !== this.state
  }

  remove(): void {
    for (const path of [this.path, this.outside, this.shared]) fs.rmSync(path, { recursive: true })
  }

  private look(): string {
    try {
      return fs
        .readdirSync(this.path)
        .filter((name) => name !== '__pycache__')
        .map((name) => {
          const { mode, size, mtimeMs, ino, nlink } = fs.lstatSync(join(this.path, name))
          return [name, mode, size, mtimeMs, ino, nlink].join(' ')
        })
        .join('\n')
    } catch (error) {
      return String(error)
    }
  }
}
