// A mark by which processes of one machine prove that another one is dead, so that they need not wait until its leases
// and its memberships time out.
//
// 1. A process listens on an abstract socket of a random name until it ends: no file is left behind, no other process
//    inherits it, and one that is stopped still accepts connections. That nobody listens there any more is the proof.
// 2. Such names belong to a network namespace. Only a process in the same one, of the same start of the machine, can
//    tell: on one host, or a container started again in its pod. Anywhere else nothing is proved, and time-outs decide.
// 3. What a proof is used for must bear that it is wrong, as after a machine was copied while it ran.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/** Place and name, both in hexadecimal. */
const MARK = /^([0-9a-f]{16})\.([0-9a-f]{32})$/
const CONNECT_MS = 500
const KEPT_DEATHS = 1_000

const socketOf = (name: string): string => `\0flotilla-${name}`

/** Hash of the machine's start and the network namespace; null where there are none, as outside of Linux. */
function placeHere(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const network = readlinkSync('/proc/self/ns/net')
    return createHash('sha256').update(`${boot} ${network}`).digest('hex').slice(0, 16)
  } catch {
    return null
  }
}

let own: Promise<string | null> | undefined

/** The mark of this process, which holds until it ends; null where a death can't be proved. */
export function ownMark(): Promise<string | null> {
  return (own ??= listen())
}

function listen(): Promise<string | null> {
  const place = placeHere()
  if (place === null) return Promise.resolve(null)
  const name = randomBytes(16).toString('hex')
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve) => {
    server.on('error', () => resolve(null))
    server.listen(socketOf(name), () => resolve(`${place}.${name}`))
    server.unref()
  })
}

/** Deaths are final. */
const deaths = new Set<string>()

/** Whether the process of this mark is certainly dead. False for a text that is no mark, and for one of another place. */
export async function isProvenDead(mark: string): Promise<boolean> {
  const [, place, name] = MARK.exec(mark) ?? []
  if (name === undefined || place !== (await ownMark())?.slice(0, 16)) return false
  if (deaths.has(mark)) return true
  const isDead = await nobodyListens(name)
  if (isDead && deaths.size < KEPT_DEATHS) deaths.add(mark)
  return isDead
}

function nobodyListens(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketOf(name))
    const answer = (isDead: boolean): void => {
      socket.destroy()
      resolve(isDead)
    }
    socket.setTimeout(CONNECT_MS, () => answer(false))
    socket.once('connect', () => answer(false))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => answer(code === 'ECONNREFUSED'))
  })
}
