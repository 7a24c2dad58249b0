// Routes of every process.
import { z } from 'zod'
import { route, type Route } from './route.ts'

const state = z.object({
  status: z.enum(['ready', 'not ready']),
  ready: z.boolean(),
  parts: z.array(z.object({ name: z.string(), problem: z.string().nullable() })),
  paused: z.array(z.string()).exactOptional(),
})

export const processRoutes = {
  health: route({
    method: 'GET',
    path: '/health',
    tag: 'process',
    summary: 'The process lives, and whether it hit a bug',
    answers: {
      200: {
        description: 'It lives.',
        schema: z.object({
          service: z.string(),
          status: z.string(),
          unhandledRejections: z.number(),
        }),
      },
    },
  }),
  ready: route({
    method: 'GET',
    path: '/ready',
    tag: 'process',
    summary: 'Whether the process can work',
    answers: {
      200: { description: 'It can.', schema: state },
      503: { description: 'It can’t, with the reasons.', schema: state },
    },
  }),
  metrics: route({
    method: 'GET',
    path: '/metrics',
    tag: 'process',
    summary: 'Metrics in the text format of Prometheus',
    answers: { 200: { description: 'Metrics.', schema: z.string(), type: 'text/plain' } },
    errors: ['TOO_MANY_STREAMS'],
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    tag: 'process',
    summary: 'This description',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: z.record(z.string(), z.any()) } },
  }),
  docs: route({
    method: 'GET',
    path: '/docs',
    tag: 'process',
    summary: 'This description as a page',
    answers: { 200: { description: 'A page without scripts.', schema: z.string(), type: 'text/html' } },
  }),
} as const satisfies Record<string, Route>
