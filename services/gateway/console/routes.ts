// The console: one page for every path of it, and the files that the page loads.
//
// 1. The page has no script, style or address of another origin, and none inline: what a task says can't become code.
// 2. A file's name changes with its content, so browsers keep files for good and ask for the page each time.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { consoleAssets, consolePages } from '../../../api/console.ts'
import type { Environment } from '../../../runtime/config/environment.ts'
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import { consoleFiles, type ConsoleFile } from './files.ts'

const headers: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

interface Parts {
  readonly environment: Pick<Environment, 'raw'>
  readonly logger: Log
}

/** Gives what answers with the page, for an address that is none: it says so to a person better than JSON does. */
export function consoleRoutes(app: FastifyInstance, { environment, logger }: Parts): Answer {
  const files = () => consoleFiles(environment, (line) => logger.info(line))

  const page: Answer = async (request, reply) => {
    // Also an error is an answer at this address.
    reply.headers(headers).header('cache-control', 'no-store')
    const file = await files().then(
      (all) => all.get('index.html'),
      (error: unknown) => unbuilt(error),
    )
    if (file === undefined) throw unbuilt(null)
    return send(request, reply, file)
  }
  for (const path of consolePages) app.get(path, { config: { page: true } }, page)

  app.get<{ Params: { file: string } }>(consoleAssets, async (request, reply) => {
    const { file: name } = request.params
    reply.headers(headers).header('cache-control', 'no-store')
    const file = name === 'index.html' ? undefined : (await files().catch(unbuilt)).get(name)
    if (file === undefined)
      throw new FlotillaError('NOT_FOUND', 'the console has no such file; reload its page')
    return send(request, reply.header('cache-control', 'public, max-age=31536000, immutable'), file)
  })
  return page
}

/** Whether somebody typed the address, or followed a link to it. What programs ask for begins with `/v1`. */
export const isForPeople = ({ method, url, headers }: FastifyRequest): boolean =>
  method === 'GET' && (headers.accept ?? '').includes('text/html') && !/^\/(v1|assets)(\/|$)/.test(url)

function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile): FastifyReply {
  const accepted = acceptedEncodings(request.headers['accept-encoding'] ?? '')
  const encoding = (['br', 'gzip'] as const).find((each) => accepted.has(each) && file[each])
  reply.header('vary', 'accept-encoding').type(file.type)
  if (encoding === undefined) return reply.send(file.body)
  return reply.header('content-encoding', encoding).send(file[encoding])
}

/** Names of the encodings in an Accept-Encoding header, without those that it refuses by `q=0`. */
function acceptedEncodings(header: string): ReadonlySet<string> {
  const offers = header
    .toLowerCase()
    .split(',')
    .map((each) => each.split(';').map((part) => part.trim()))
  const wanted = offers.filter(([, ...rest]) => !rest.some((part) => /^q\s*=\s*0(\.0*)?$/.test(part)))
  return new Set(wanted.map(([name = '']) => name))
}

function unbuilt(error: unknown): never {
  const why = error === null ? '' : `: ${messageOf(error)}`
  throw new FlotillaError('NOT_FOUND', `the console can't be shown, because it is not built${why}`)
}
