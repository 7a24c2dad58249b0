// Routes of tasks.
import { z } from 'zod'
import { omittedHeaders } from './omitted.ts'
import { idempotencyKey } from './request-headers.ts'
import { route, type Route } from './route.ts'
import {
  accepted,
  cancelAnswer,
  progress,
  resultExample,
  submission,
  taskDetail,
  taskId,
  taskInput,
  taskList,
  taskResult,
  taskTree,
} from './schemas/tasks.ts'
import { promotedCase } from './schemas/evaluations.ts'
import { resultPage } from './schemas/results.ts'
import { comparison, forked, forkInput, fromStep, recording, taskReplay } from './schemas/forks.ts'
import { filterFields, taskFilters } from './schemas/task-query.ts'
import { clamped, count, flag, json, name, remark, seconds, share, text, time } from './schemas/values.ts'

const MAX_WAIT_SECONDS = 30

const wait = seconds({ least: 0, most: MAX_WAIT_SECONDS }, 'Seconds to wait for the result.').exactOptional()
const ofTask = z.object({ id: taskId })
const acceptedAnswer = {
  description: 'It is durable in the log.',
  schema: accepted,
  example: { taskId: 'a1' },
}

const update = z.union([
  z.object({ kind: z.literal('progress'), event: progress, position: z.string().exactOptional() }),
  z.object({ kind: z.literal('text'), taskId: z.string(), step: z.number(), text: z.string() }).loose(),
  z.object({ kind: z.literal('result'), result: taskResult }),
])

const positions = text('Positions that a stream gave, such as 0:12,1:7: begins behind them.')
  .meta({ pattern: String.raw`^(\d{1,6}:-?\d{1,15}(,\d{1,6}:-?\d{1,15})*)?$` })
  .exactOptional()

const pagePosition = text('Position that a page gave: the next one begins behind it.')
  .meta({ pattern: String.raw`^(\d{1,6}:-?\d{1,15}(,\d{1,6}:-?\d{1,15})*(@[0-9A-Za-z-]{1,64})?)?$` })
  .exactOptional()

export const tasks = {
  submit: route({
    method: 'POST',
    path: '/v1/tasks',
    tag: 'tasks',
    summary: 'Submit a task',
    description:
      'The answer comes once the task is durable in the log. A task that the router refuses is not an HTTP error: its result says `rejected` and why.',
    query: z.strictObject({ wait }),
    headers: { 'idempotency-key': idempotencyKey },
    body: taskInput,
    // By a check that clients over Kafka share.
    checkedLater: ['body'],
    bodyExample: { text: 'What is 6 times 7?', userId: 'ann' },
    answers: {
      200: {
        description: 'With `wait`: its result. Without: it was submitted before.',
        schema: z.union([taskResult, accepted]),
        example: resultExample,
        headers: { location: 'Where the result is or will be.' },
      },
      202: { ...acceptedAnswer, headers: { location: 'Where the result will be.' } },
      429: { description: 'With `wait`: a limit refused it.', schema: taskResult },
    },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'TASK_ID_REUSED', 'RECORD_TOO_LARGE', 'SEARCH_UNFINISHED'],
  }),
  list: route({
    method: 'GET',
    path: '/v1/tasks',
    tag: 'tasks',
    summary: 'List tasks, the latest submitted first',
    description:
      'Tasks that wait or run and tasks that have ended, as far back as the ledger keeps them. Pages neither lose nor repeat a task, whatever is submitted or ends between them. A page may be short of its limit, also empty, and still have a `next`.',
    query: taskFilters,
    queryWord: 'filter',
    answers: {
      200: {
        description: 'A page of tasks.',
        schema: taskList,
        example: { tasks: [], next: null },
        headers: omittedHeaders,
      },
    },
  }),
  get: route({
    method: 'GET',
    path: '/v1/tasks/:id',
    tag: 'tasks',
    summary: 'One task: its state, steps and cost so far',
    params: ofTask,
    query: z.strictObject({}),
    answers: { 200: { description: 'The task.', schema: taskDetail, headers: omittedHeaders } },
    errors: ['TASK_UNKNOWN', 'SEARCH_UNFINISHED'],
  }),
  tree: route({
    method: 'GET',
    path: '/v1/tasks/:id/tree',
    tag: 'tasks',
    summary: 'A task with the tasks that it delegated, and theirs: what each cost, and all together',
    description: 'Depth first, at most 300 of them. Of a task that runs, what it has cost so far.',
    params: ofTask,
    query: z.strictObject({}),
    answers: {
      200: {
        description: 'The tree.',
        schema: taskTree,
        example: { tasks: [], more: false },
        headers: omittedHeaders,
      },
    },
    errors: ['TASK_UNKNOWN', 'SEARCH_UNFINISHED'],
  }),
  submission: route({
    method: 'GET',
    path: '/v1/tasks/:id/submission',
    tag: 'tasks',
    summary: 'A task as it was submitted: all of its text, limits, output schema, history',
    description: 'As long as the log keeps submissions. Without its recording: that is a route of its own.',
    params: ofTask,
    query: z.strictObject({
      conversation: flag(
        'True: a turn of a session has as `history` what its session gave it of the conversation.',
      ).exactOptional(),
    }),
    answers: { 200: { description: 'The submission.', schema: submission } },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'EVENTS_GONE', 'SEARCH_UNFINISHED'],
  }),
  result: route({
    method: 'GET',
    path: '/v1/tasks/:id/result',
    tag: 'tasks',
    summary: 'The result of a task',
    params: ofTask,
    query: z.strictObject({ wait }),
    answers: {
      200: { description: 'The result.', schema: taskResult, example: resultExample },
      204: { description: 'There is none yet.' },
    },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'SEARCH_UNFINISHED', 'TOO_MANY_STREAMS'],
  }),
  updates: route({
    method: 'GET',
    path: '/v1/tasks/:id/updates',
    tag: 'tasks',
    summary: 'Follow a task',
    description:
      'A line of JSON for everything that happens to it from now on, the last with its result; empty lines as heartbeat.',
    params: ofTask,
    query: z.strictObject({
      after: positions,
      early: flag('Also of a task that is not submitted yet.').exactOptional(),
    }),
    answers: {
      200: {
        description: 'Lines of JSON.',
        schema: update,
        type: 'application/x-ndjson',
        headers: { 'flotilla-positions': 'Positions at the beginning of the stream.' },
      },
    },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'TOO_MANY_STREAMS'],
  }),
  results: route({
    method: 'GET',
    path: '/v1/results',
    tag: 'tasks',
    summary: 'Results as they come',
    description:
      'A line of JSON each. With a group, which resumes where it stopped, the request needs `content-type: application/json`.',
    query: z.strictObject({
      group: text("Readers' group: its members share the results.")
        .meta({ pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$' })
        .exactOptional(),
      from: z
        .enum(['earliest', 'latest'])
        .default('latest')
        .meta({ description: 'Where a reader without a position begins.' }),
      after: positions,
    }),
    answers: {
      200: {
        description: 'Lines of JSON.',
        schema: taskResult.extend({ position: z.string().exactOptional() }),
        type: 'application/x-ndjson',
        headers: { 'flotilla-positions': 'Positions at the beginning of the stream.' },
      },
    },
    errors: ['TOO_MANY_STREAMS'],
  }),
  resultPage: route({
    method: 'GET',
    path: '/v1/results/page',
    tag: 'tasks',
    summary: 'Ended tasks in the order of the log, page by page',
    description:
      'For readers that keep their own position: each page gives the one behind which the next begins, also if it has no results. A user is shown its own tasks.',
    query: z.strictObject({
      after: pagePosition,
      since: time('Where partitions begin that `after` does not name.').exactOptional(),
      limit: clamped({ least: 1, most: 500 }, 'Results at most; at least one of each partition.').default(
        100,
      ),
    }),
    answers: {
      200: {
        description: 'The page.',
        schema: resultPage,
        example: { results: [], after: '0:12,1:7', more: false, lost: 0 },
      },
    },
    errors: ['REQUEST_INVALID'],
  }),
  cancelMany: route({
    method: 'POST',
    path: '/v1/tasks/cancel',
    tag: 'tasks',
    summary: 'Cancel the open tasks that match',
    description:
      'Their results say whether that took effect. At least one filter is needed; `matched` has at most `limit` tasks: repeat it while there are `more`.',
    body: z.strictObject({
      ...filterFields,
      reason: remark('Why, for the results.').exactOptional(),
      limit: count('How many at most: 100 unless given, never more than 1,000.').exactOptional(),
      dryRun: z.boolean().exactOptional().meta({ description: 'True: nothing is cancelled.' }),
    }),
    bodyExample: { agent: 'researcher', status: 'running', dryRun: true },
    answers: {
      202: {
        description: 'The cancels are durable in the log; with `dryRun`: what would be cancelled.',
        schema: cancelAnswer,
        example: { matched: ['a1'], more: false },
      },
    },
  }),
  cancel: route({
    method: 'POST',
    path: '/v1/tasks/:id/cancel',
    tag: 'tasks',
    summary: 'Cancel a task',
    description: 'Its result says whether that took effect.',
    params: ofTask,
    body: z.strictObject({ reason: remark('Why, for the result.').exactOptional() }),
    bodyExample: { reason: 'no longer needed' },
    answers: { 202: acceptedAnswer },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN'],
  }),
  fork: route({
    method: 'POST',
    path: '/v1/tasks/:id/fork',
    tag: 'tasks',
    summary: 'Fork a task',
    description:
      'A new task with an id of its own, which shares the recorded steps before `fromStep` and runs the others. A task that still runs is forked from a step that has ended. Its tool calls are answered by recorded outcomes, unless `tools` says otherwise; its result names its origin and the refused calls.',
    params: ofTask,
    body: forkInput,
    bodyExample: { model: 'openai/gpt-5-mini' },
    answers: {
      202: {
        ...acceptedAnswer,
        schema: forked,
        example: { taskId: 'a2', forkedFrom: 'a1', fromStep: 1, tools: 'recorded' },
        headers: { location: 'Where the result will be.' },
      },
    },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'TASK_OPEN', 'EVENTS_GONE', 'SEARCH_UNFINISHED'],
  }),
  recording: route({
    method: 'GET',
    path: '/v1/tasks/:id/recording',
    tag: 'tasks',
    summary: 'The recorded steps and tool outcomes of a task',
    description: 'As a submission takes it (`recording`).',
    params: ofTask,
    query: z.strictObject({ fromStep }),
    answers: {
      200: { description: 'The recording.', schema: recording, example: { steps: [], outcomes: [] } },
    },
    errors: ['TASK_UNKNOWN', 'TASK_OPEN', 'EVENTS_GONE', 'SEARCH_UNFINISHED'],
  }),
  replay: route({
    method: 'GET',
    path: '/v1/tasks/:id/replay',
    tag: 'tasks',
    summary: 'Whether an ended task would be decided the same again',
    description:
      'The stages, as they are configured now, decide again over its recorded events. Nothing is called and nothing is written.',
    params: ofTask,
    query: z.strictObject({}),
    answers: {
      200: { description: 'What each stage decided, and the first difference.', schema: taskReplay },
    },
    errors: ['TASK_UNKNOWN', 'TASK_OPEN', 'EVENTS_GONE', 'SEARCH_UNFINISHED'],
  }),
  case: route({
    method: 'GET',
    path: '/v1/tasks/:id/case',
    tag: 'tasks',
    summary: 'An ended task as a case of an evaluation',
    description:
      'What was asked, its answer as what is expected, and the recorded outcomes of its tool calls: a line of a data set.',
    params: ofTask,
    query: z.strictObject({
      expected: z
        .string()
        .exactOptional()
        .meta({ description: 'JSON: what is right, if it is not the output of the task.' }),
    }),
    answers: { 200: { description: 'The case.', schema: promotedCase } },
    errors: ['REQUEST_INVALID', 'TASK_UNKNOWN', 'TASK_OPEN', 'EVENTS_GONE', 'SEARCH_UNFINISHED'],
  }),
  compare: route({
    method: 'GET',
    path: '/v1/tasks/:id/compare/:other',
    tag: 'tasks',
    summary: 'Two ended tasks side by side',
    params: z.object({ id: taskId, other: taskId }),
    query: z.strictObject({}),
    answers: { 200: { description: 'Their steps and what they used.', schema: comparison } },
    errors: ['TASK_UNKNOWN', 'TASK_OPEN', 'SEARCH_UNFINISHED'],
  }),
  approve: route({
    method: 'POST',
    path: '/v1/tasks/:id/approvals/:callId',
    tag: 'tasks',
    summary: 'Decide about a tool call that waits for a person',
    description:
      'Approve or decline a call, answer a question, or say whether a call in doubt took effect. Whether it counts is in the history (`approval_decided`): others may have to agree, or another decision may have come first. One that certainly can’t count is refused: CALL_UNKNOWN for a call that never waited, CALL_NOT_WAITING for a wait that is over.',
    params: z.object({ id: taskId, callId: name('The call, as `approval_requested` names it.') }),
    body: z.strictObject({
      approved: z.boolean().meta({ description: 'True lets it run, or gives the answer; false declines.' }),
      reason: remark('Why; the model is told it.').exactOptional(),
      decidedBy: name(
        'Who decided, if the API is open; else it is the user of the key or token.',
      ).exactOptional(),
      arguments: json
        .meta({ description: 'Arguments to run it with, instead of those that were asked for.' })
        .exactOptional(),
      answer: json
        .meta({ description: 'The answer to a question, or the result of a call in doubt that took effect.' })
        .exactOptional(),
      tookEffect: z
        .boolean()
        .meta({ description: 'Of a call in doubt, needed. False with `approved`: it is made again.' })
        .exactOptional(),
      heldAtMs: z
        .int()
        .min(0)
        .meta({
          description: 'The wait that is meant, as the list names it. Needed from its second wait on.',
        })
        .exactOptional(),
    }),
    bodyExample: { approved: true, decidedBy: 'ann' },
    answers: { 202: acceptedAnswer },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN', 'CALL_UNKNOWN', 'CALL_NOT_WAITING', 'RECORD_TOO_LARGE'],
  }),
  feedback: route({
    method: 'POST',
    path: '/v1/tasks/:id/feedback',
    tag: 'tasks',
    summary: "Record a user's rating of a result",
    description: 'The latest counts.',
    params: ofTask,
    body: z.strictObject({
      satisfaction: share('0 (useless) to 1 (perfect).'),
      comment: remark('In words.').exactOptional(),
      userId: name('Whose rating it is.').exactOptional(),
    }),
    bodyExample: { satisfaction: 0.8, comment: 'fine' },
    answers: { 202: acceptedAnswer },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN'],
  }),
  quality: route({
    method: 'POST',
    path: '/v1/tasks/:id/quality',
    tag: 'tasks',
    summary: "Record an evaluator's rating of a result",
    description: 'The latest counts.',
    params: ofTask,
    body: z.strictObject({
      quality: share('0 (useless) to 1 (perfect).'),
      scorer: name('The evaluator: a person, a check, a model as judge.').exactOptional(),
    }),
    bodyExample: { quality: 0.5, scorer: 'judge' },
    answers: { 202: acceptedAnswer },
    errors: ['TASK_INVALID', 'TASK_UNKNOWN'],
  }),
} as const satisfies Record<string, Route>
