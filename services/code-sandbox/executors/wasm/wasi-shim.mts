// WASI 0.2 for the interpreter: deny-all and deterministic.
//
// 1. No file, no socket, no environment, no argument. A denied call raises in Python; it does not trap.
// 2. The clock is the journalled time plus the program's sleeps, and ticks a microsecond at each read, so
//    that a loop that waits for time to pass ends. Entropy is a hash chain over the step's seed.
import { createHash } from 'node:crypto'

export interface World {
  nowMs: number
  /** Added to the clock by reads and sleeps; BigInt nanoseconds. */
  elapsedNs: bigint
  seed: string
  drawn: number
}

const MS = 1_000_000n
const LOOK_NS = 1_000n

export const freshWorld = (): World => ({ nowMs: 0, elapsedNs: 0n, seed: 'boot', drawn: 0 })

/** The clock never runs backwards: a journalled time before the program's own clock is ignored. */
export function setTime(world: World, nowMs: number): void {
  const gain = BigInt(Math.round(nowMs)) * MS - (BigInt(Math.round(world.nowMs)) * MS + world.elapsedNs)
  if (gain > 0n) {
    world.nowMs = Math.round(nowMs)
    world.elapsedNs = 0n
  }
}

/** WASI errors are thrown as their names. */
const deny = (): never => {
  throw 'not-permitted'
}
const denySocket = (): never => {
  throw 'access-denied'
}

class Resource {}

class IoError {
  toDebugString(): string {
    return 'denied'
  }
}

class InputStream {
  read(): never {
    throw { tag: 'closed' }
  }
  blockingRead(): never {
    throw { tag: 'closed' }
  }
  subscribe(): Resource {
    return new Resource()
  }
}

const DESCRIPTOR_METHODS = [
  'readViaStream',
  'writeViaStream',
  'appendViaStream',
  'advise',
  'syncData',
  'getFlags',
  'getType',
  'setSize',
  'setTimes',
  'read',
  'write',
  'readDirectory',
  'sync',
  'createDirectoryAt',
  'stat',
  'statAt',
  'setTimesAt',
  'linkAt',
  'openAt',
  'readlinkAt',
  'removeDirectoryAt',
  'renameAt',
  'symlinkAt',
  'unlinkFileAt',
  'isSameObject',
  'metadataHash',
  'metadataHashAt',
] as const

class Descriptor {}
for (const method of DESCRIPTOR_METHODS) Object.defineProperty(Descriptor.prototype, method, { value: deny })

class DirectoryEntryStream {
  readDirectoryEntry(): never {
    return deny()
  }
}

/** One class for both: the component takes a stream only of the class that it was given as an import. */
class OutputStream {
  readonly #print: (text: string) => void
  readonly #decoder = new TextDecoder()
  constructor(print: (text: string) => void) {
    this.#print = print
  }
  checkWrite(): bigint {
    return 65_536n
  }
  write(bytes: Uint8Array): void {
    this.#print(this.#decoder.decode(bytes))
  }
  blockingWriteAndFlush(bytes: Uint8Array): void {
    this.write(bytes)
  }
  flush(): void {}
  blockingFlush(): void {}
  subscribe(): Resource {
    return new Resource()
  }
}

function clocks(world: World) {
  const look = () => BigInt(world.nowMs) * MS + (world.elapsedNs += LOOK_NS)
  /** Waiting advances the clock. */
  class Pollable {
    readonly untilNs: bigint
    constructor(untilNs: bigint) {
      this.untilNs = untilNs
    }
    ready(): boolean {
      return true
    }
    block(): void {
      const ahead = this.untilNs - (BigInt(world.nowMs) * MS + world.elapsedNs)
      if (ahead > 0n) world.elapsedNs += ahead
    }
  }
  const monotonic = {
    now: look,
    resolution: () => LOOK_NS,
    subscribeDuration: (ns: bigint) => new Pollable(BigInt(world.nowMs) * MS + world.elapsedNs + ns),
    subscribeInstant: (atNs: bigint) => new Pollable(atNs),
  }
  const wall = {
    now: () => {
      const ns = look()
      return { seconds: ns / 1_000_000_000n, nanoseconds: Number(ns % 1_000_000_000n) }
    },
    resolution: () => ({ seconds: 0n, nanoseconds: 1_000 }),
  }
  const poll = (pollables: unknown[]) => {
    for (const pollable of pollables) if (pollable instanceof Pollable) pollable.block()
    return Uint32Array.from(pollables.keys())
  }
  return { monotonic, wall, poll: { Pollable, poll } }
}

function entropy(world: World, length: bigint): Uint8Array {
  const bytes = new Uint8Array(Number(length))
  for (let at = 0; at < bytes.length; at += 32) {
    const block = createHash('sha256').update(`${world.seed}:${world.drawn++}`).digest()
    bytes.set(block.subarray(0, Math.min(32, bytes.length - at)), at)
  }
  return bytes
}

/** Imports of the component, except its own `host` interface. */
export function wasi(
  world: World,
  print: (text: string) => void,
  printError: (text: string) => void,
): Record<string, object> {
  const { monotonic, wall, poll } = clocks(world)
  const stdout = new OutputStream(print)
  const stderr = new OutputStream(printError)
  const exit = () => {
    throw new Error('the program ended the interpreter')
  }
  return {
    'wasi:cli/environment': { getArguments: () => [], getEnvironment: () => [] },
    'wasi:cli/exit': { exit },
    'wasi:cli/stdin': { getStdin: () => new InputStream() },
    'wasi:cli/stdout': { getStdout: () => stdout },
    'wasi:cli/stderr': { getStderr: () => stderr },
    'wasi:cli/terminal-input': { TerminalInput: Resource },
    'wasi:cli/terminal-output': { TerminalOutput: Resource },
    'wasi:cli/terminal-stdin': { getTerminalStdin: () => undefined },
    'wasi:cli/terminal-stdout': { getTerminalStdout: () => undefined },
    'wasi:cli/terminal-stderr': { getTerminalStderr: () => undefined },
    'wasi:clocks/monotonic-clock': monotonic,
    'wasi:clocks/wall-clock': wall,
    'wasi:filesystem/preopens': { getDirectories: () => [] },
    'wasi:filesystem/types': { Descriptor, DirectoryEntryStream, filesystemErrorCode: () => undefined },
    'wasi:io/error': { Error: IoError },
    'wasi:io/poll': poll,
    'wasi:io/streams': { InputStream, OutputStream },
    'wasi:random/random': { getRandomBytes: (length: bigint) => entropy(world, length) },
    'wasi:sockets/instance-network': { instanceNetwork: () => new Resource() },
    'wasi:sockets/ip-name-lookup': { ResolveAddressStream: Resource, resolveAddresses: denySocket },
    'wasi:sockets/network': { Network: Resource },
    'wasi:sockets/tcp': { TcpSocket: Resource },
    'wasi:sockets/tcp-create-socket': { createTcpSocket: denySocket },
    'wasi:sockets/udp': {
      UdpSocket: Resource,
      IncomingDatagramStream: Resource,
      OutgoingDatagramStream: Resource,
    },
    'wasi:sockets/udp-create-socket': { createUdpSocket: denySocket },
  }
}
