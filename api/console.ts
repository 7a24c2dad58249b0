// Paths of the console: pages for people, beside the HTTP API. Any of them is a deep link; the page decides by it.

/** The page that an OpenID provider sends the browser back to. */
export const SIGNED_IN_PAGE = '/signed-in'

/** Paths that the gateway answers with the console's page, as Fastify spells them. */
export const consolePages = [
  '/',
  '/tasks',
  '/tasks/:id',
  '/new',
  '/chat',
  '/chat/:session',
  '/inbox',
  '/fleet',
  '/fleet/:part',
  '/cost',
  '/quality',
  SIGNED_IN_PAGE,
  '/compare/:id/:other',
  '/evaluations',
  '/evaluations/:id',
] as const

/** Files that the page loads. Their names have a hash of what is in them. */
export const consoleAssets = '/assets/:file'
