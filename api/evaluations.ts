// Routes of evaluations: their runs are stored in the ledger, from whichever client.
import { z } from 'zod'
import { exportFormats } from '../runtime/ledger/choices.ts'
import { route, type Route } from './route.ts'
import { evaluationCase, evaluationRun, runComparison } from './schemas/evaluations.ts'
import { clamped, name } from './schemas/values.ts'

const MAX_CASES_AT_ONCE = 100
/** The paired tests of more would hold up the gateway. */
export const MAX_COMPARED = 2_000
/** Of one run, as JSON: a case may be large. */
export const MAX_COMPARED_CHARS = 16_000_000
const runParams = z.object({ id: name('Id of the run.') })

/** In a body null is the same as an absent field. */
const { agent, endedAtMs, settings, summary } = evaluationRun.shape
const newRun = z.strictObject({
  ...evaluationRun.shape,
  agent: agent.default(null),
  endedAtMs: endedAtMs.default(null),
  settings: settings.default(null),
  summary: summary.default(null),
})

export const evaluations = {
  listRuns: route({
    method: 'GET',
    path: '/v1/evaluations',
    tag: 'evaluations',
    summary: 'Runs of evaluations, the latest first',
    query: z.strictObject({
      limit: clamped({ least: 1, most: 1_000 }, 'How many at most.').default(100),
    }),
    answers: { 200: { description: 'Without their cases.', schema: z.array(evaluationRun) } },
    errors: ['STORE_UNAVAILABLE'],
  }),
  getRun: route({
    method: 'GET',
    path: '/v1/evaluations/:id',
    tag: 'evaluations',
    summary: 'One run, with its summary',
    params: runParams,
    query: z.strictObject({}),
    answers: { 200: { description: 'The run.', schema: evaluationRun } },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
  exportRun: route({
    method: 'GET',
    path: '/v1/evaluations/:id/export',
    tag: 'evaluations',
    summary: 'The scored cases of a run, row by row',
    params: runParams,
    query: z.strictObject({
      format: z.enum(exportFormats).default('json').meta({ description: 'json: a line each.' }),
    }),
    answers: {
      200: {
        description: 'Lines of JSON (EvaluationCase), or CSV.',
        schema: z.string(),
        type: ['application/x-ndjson', 'text/csv'],
      },
    },
    errors: ['NOT_FOUND', 'TOO_MANY_STREAMS', 'STORE_UNAVAILABLE'],
  }),
  compareRuns: route({
    method: 'GET',
    path: '/v1/evaluations/:id/compare/:before',
    tag: 'evaluations',
    summary: 'A run against an earlier one, case by case',
    description: `Each model against the same one of the earlier run, or against its only one. For runs of at most ${MAX_COMPARED} scored cases and ${MAX_COMPARED_CHARS / 1_000_000} million characters; the command \`flotilla eval compare\` has no limit.`,
    params: z.object({ id: runParams.shape.id, before: name('Id of the earlier run.') }),
    query: z.strictObject({}),
    answers: { 200: { description: 'One for each model.', schema: z.array(runComparison) } },
    errors: ['REQUEST_INVALID', 'NOT_FOUND', 'TOO_MANY_STREAMS', 'STORE_UNAVAILABLE'],
  }),
  saveRun: route({
    method: 'POST',
    path: '/v1/evaluations',
    tag: 'evaluations',
    summary: 'Store a run, or its new state',
    description: 'Of a run that is stored, only status, end, position, number of cases and summary change.',
    body: newRun,
    bodyExample: {
      id: 'ev-1',
      name: 'orders',
      dataset: 'examples/evaluation/orders.jsonl',
      datasetHash: 'b94d27b9934d3e08',
      agent: null,
      models: ['default'],
      epochs: 1,
      cases: 3,
      status: 'running',
      startedAtMs: 1795000000000,
      settings: {},
      endedAtMs: null,
      summary: null,
    },
    answers: { 200: { description: 'The run as it is stored.', schema: evaluationRun } },
    errors: ['STORE_UNAVAILABLE'],
  }),
  deleteRun: route({
    method: 'DELETE',
    path: '/v1/evaluations/:id',
    tag: 'evaluations',
    summary: 'Delete a run and its cases',
    description: 'Their tasks stay in the ledger.',
    params: runParams,
    query: z.strictObject({}),
    answers: { 200: { description: 'How many cases.', schema: z.object({ deleted: z.number() }) } },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
  addCases: route({
    method: 'POST',
    path: '/v1/evaluations/:id/cases',
    tag: 'evaluations',
    summary: 'Store scored cases of a run',
    description: 'A case of the same id, model and epoch is replaced.',
    params: runParams,
    body: z.strictObject({ cases: z.array(evaluationCase).min(1).max(MAX_CASES_AT_ONCE) }),
    bodyExample: { cases: [] },
    answers: { 200: { description: 'How many.', schema: z.object({ stored: z.number() }) } },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
} as const satisfies Record<string, Route>
