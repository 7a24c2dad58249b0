// The description of the HTTP API, for programs and for people.
import type { FastifyInstance } from 'fastify'
import { docsPage } from '../../../api/docs-page.ts'
import { openApi } from '../../../api/openapi.ts'
import { processRoutes } from '../../../api/routes.ts'
import { once } from '../../../runtime/once.ts'
import { serve } from './serve.ts'

/** The page has no scripts, and loads nothing. */
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export function descriptionRoutes(app: FastifyInstance): void {
  // Describing every schema takes a tenth of the time of a start, and few ask for it.
  const description = once(async () => openApi())
  const page = once(async () => docsPage(await description()))
  serve(app, processRoutes.openapi, () => description())
  serve(
    app,
    processRoutes.docs,
    async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', policy)
        .header('x-content-type-options', 'nosniff')
        .send(await page()),
    { config: { page: true } },
  )
}
