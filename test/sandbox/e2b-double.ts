// A double of E2B's API as the official SDK speaks to it: sandboxes, files, and processes by the Connect protocol. A real
// HTTP server; what a process does is done by a real one on this machine, the program's Python among them.
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

type Process = ChildProcessByStdio<Writable, Readable, Readable>

interface Box {
  readonly id: string
  readonly folder: string
  state: 'running' | 'paused'
  process: Process | null
  /** Output while nobody was connected. */
  listener: ServerResponse | null
  held: object[]
}

const LENGTH_AT = 1
const HEAD_BYTES = 5
const END_OF_STREAM = 2

function envelope(message: object, flags = 0): Buffer {
  const body = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(HEAD_BYTES)
  head[0] = flags
  head.writeUInt32BE(body.length, LENGTH_AT)
  return Buffer.concat([head, body])
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export class E2bDouble {
  readonly boxes = new Map<string, Box>()
  /** `create`, `pause`, `connect` and `kill`, as they were asked for. */
  readonly asked: string[] = []
  /** What `create` was given. */
  created: Record<string, unknown>[] = []
  url = ''
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: Error) => {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ code: 500, message: error.message }))
    })
  })

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const box of this.boxes.values()) this.kill(box)
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** As if the machine under it had died. */
  kill(box: Box): void {
    this.boxes.delete(box.id)
    box.process?.kill('SIGKILL')
    box.listener?.destroy()
    rmSync(box.folder, { recursive: true, force: true })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const body = await bodyOf(request)
    const json = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(value === undefined ? undefined : JSON.stringify(value))
    }
    const box = this.boxes.get(String(request.headers['e2b-sandbox-id']))
    if (url.pathname === '/health') return void response.writeHead(204).end()
    if (url.pathname.startsWith('/process.Process/'))
      return box ? this.#processCall(box, url.pathname.slice(17), body, response) : json(502, {})
    if (url.pathname === '/files' && box) return json(200, this.#write(box, url, request, body))
    if (request.headers['x-api-key'] !== E2bDouble.key)
      return json(401, { code: 401, message: 'no such key' })
    this.#control(request.method ?? '', url.pathname, body, json)
  }

  static readonly key = `e2b_${'0'.repeat(40)}`

  #control(
    method: string,
    path: string,
    body: Buffer,
    json: (status: number, value?: unknown) => void,
  ): void {
    const [, id, action] = /^\/(?:v2\/)?sandboxes(?:\/([^/]+))?(?:\/(\w+))?$/.exec(path) ?? []
    if (method === 'GET') return json(200, [])
    if (method === 'POST' && id === undefined)
      return json(201, this.#create(JSON.parse(body.toString()) as never))
    const box = this.boxes.get(id ?? '')
    if (!box) return json(404, { code: 404, message: `no sandbox ${id}` })
    this.asked.push(action ?? 'kill')
    if (method === 'DELETE') this.kill(box)
    if (action === 'pause') {
      box.state = 'paused'
      box.process?.kill('SIGSTOP')
    }
    if (action !== 'connect') return json(204)
    box.state = 'running'
    box.process?.kill('SIGCONT')
    json(200, this.#described(box))
  }

  #create(options: Record<string, unknown>): object {
    this.asked.push('create')
    this.created.push(options)
    const id = `sbx${this.created.length}`
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-e2b-'))
    const box: Box = { id, folder, state: 'running', process: null, listener: null, held: [] }
    this.boxes.set(id, box)
    return this.#described(box)
  }

  #described({ id }: Box): object {
    return {
      sandboxID: id,
      templateID: 'base',
      clientID: 'c',
      envdVersion: '0.4.0',
      envdAccessToken: 'token',
    }
  }

  #write(box: Box, url: URL, request: IncomingMessage, body: Buffer): object[] {
    const boundary = /boundary=(\S+)/.exec(request.headers['content-type'] ?? '')?.[1] ?? ''
    const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1)
    return parts.map((part) => {
      const [head = '', ...rest] = part.split('\r\n\r\n')
      const path = url.searchParams.get('path') ?? /filename="([^"]*)"/.exec(head)?.[1] ?? ''
      const content = rest.join('\r\n\r\n').slice(0, -2)
      const target = join(box.folder, path)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, Buffer.from(content, 'latin1'))
      return { name: path, path, type: 'file' }
    })
  }

  #processCall(box: Box, method: string, body: Buffer, response: ServerResponse): void {
    const isStream = method === 'Start' || method === 'Connect'
    const message = JSON.parse(body.toString('utf8', isStream ? HEAD_BYTES : 0)) as never
    if (isStream) {
      response.writeHead(200, { 'content-type': 'application/connect+json' })
      if (method === 'Start') this.#start(box, message)
      box.listener = response
      response.once('close', () => {
        if (box.listener === response) box.listener = null
      })
      response.write(envelope({ event: { start: { pid: box.process?.pid ?? 0 } } }))
      for (const event of box.held.splice(0)) this.#tell(box, event)
      return
    }
    if (method === 'SendInput') {
      const { input } = message as { input: { stdin: string } }
      box.process?.stdin.write(Buffer.from(input.stdin, 'base64'))
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{}')
  }

  #start(
    box: Box,
    { process: spec }: { process: { cmd: string; args: string[]; envs: Record<string, string> } },
  ): void {
    const child = spawn(spec.cmd, spec.args, {
      cwd: box.folder,
      env: { PATH: process.env['PATH'], ...spec.envs },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    box.process = child
    child.stdin.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) =>
      this.#tell(box, { data: { stdout: chunk.toString('base64') } }),
    )
    child.stderr.on('data', (chunk: Buffer) =>
      this.#tell(box, { data: { stderr: chunk.toString('base64') } }),
    )
    child.on('close', (code, signal) => {
      const exitCode = code ?? 137
      this.#tell(box, { end: { exitCode, exited: !signal, status: `exit status ${exitCode}` } })
      box.listener?.end(envelope({}, END_OF_STREAM))
    })
  }

  #tell(box: Box, event: object): void {
    if (box.listener) box.listener.write(envelope({ event }))
    else box.held.push(event)
  }
}
