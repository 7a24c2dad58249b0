// Scenarios of the conformance suite that a fleet does not pass, each with its reason. The suite fails if one of them
// passes after all.

export type Role = 'server' | 'client'
export type Revision = '2025-11-25' | '2026-07-28'

export interface Reason {
  readonly why: string
  /** It is about something that the protocol leaves to the server, and that this one does not declare. */
  readonly isOptional: boolean
}

/** `scenario`, or `scenario:check` where only that check fails → why. */
export type Expected = Readonly<Record<string, Reason>>

const optional = (why: string): Reason => ({ why, isOptional: true })
const differs = (why: string): Reason => ({ why, isOptional: false })

const MEDIA = optional(
  'An agent answers with text or JSON: it makes no images, sounds or embedded resources.',
)
const RESOURCES = optional('A fleet has no resources. What an agent needs it reads by its own tools.')
const PROMPTS = optional('A fleet has no prompts: an agent brings its own instructions.')
const SAMPLING = optional(
  'Agents call the models of their fleet, never that of the client; the protocol deprecates sampling and roots.',
)
const LOGGING = optional('The protocol deprecates logging. Progress notifications say what a task does.')
const KEYS = differs(
  'The suite fixes the key of the question. Ours is the id of the call that waits, so that the answer can mean no other.',
)
const PUSH = optional(
  'The suite wants the question as a request of the server within a session. Over HTTP there is none: clients of 2025-11-25 are asked on stdio.',
)

const TOOLS = optional(
  'Not tested: it needs a tool that samples, writes log messages or asks on a stream, which no agent does.',
)
const SESSION = optional('Only recommended: there is no session, and a stream that broke off is not resumed.')

const media = {
  'tools-call-image': MEDIA,
  'tools-call-audio': MEDIA,
  'tools-call-embedded-resource': MEDIA,
  'tools-call-mixed-content': MEDIA,
}
const others = {
  'completion-complete': PROMPTS,
  'resources-list': RESOURCES,
  'resources-read-text': RESOURCES,
  'resources-read-binary': RESOURCES,
  'resources-templates-read': RESOURCES,
  'prompts-list': PROMPTS,
  'prompts-get-simple': PROMPTS,
  'prompts-get-with-args': PROMPTS,
  'prompts-get-embedded-resource': PROMPTS,
  'prompts-get-with-image': PROMPTS,
}

export const expected: Readonly<Record<Role, Partial<Record<Revision, Expected>>>> = {
  server: {
    '2025-11-25': {
      ...media,
      ...others,
      'logging-set-level': LOGGING,
      'tools-call-with-logging': LOGGING,
      'tools-call-sampling': SAMPLING,
      'tools-call-elicitation': PUSH,
      'elicitation-sep1034-defaults': PUSH,
      'elicitation-sep1330-enums': PUSH,
      'resources-subscribe': RESOURCES,
      'resources-unsubscribe': RESOURCES,
      'server-sse-multiple-streams': SESSION,
      'server-sse-polling': SESSION,
    },
    '2026-07-28': {
      ...media,
      ...others,
      'caching:sep-2549-prompts-list-caching-hints': PROMPTS,
      'caching:sep-2549-resources-list-caching-hints': RESOURCES,
      'caching:sep-2549-resources-templates-list-caching-hints': RESOURCES,
      'input-required-result-basic-elicitation': KEYS,
      'input-required-result-basic-sampling': SAMPLING,
      'input-required-result-basic-list-roots': SAMPLING,
      'input-required-result-multiple-input-requests': SAMPLING,
      'input-required-result-non-tool-request': PROMPTS,
      'input-required-result-ignore-extra-params': KEYS,
      'input-required-result-capability-check': SAMPLING,
      'sep-2164-resource-not-found': RESOURCES,
      'server-stateless:sep-2575-server-rejects-undeclared-capability': TOOLS,
      'server-stateless:sep-2575-missing-capability-http-400': TOOLS,
      'server-stateless:sep-2575-http-server-no-independent-requests-on-stream': TOOLS,
      'server-stateless:sep-2575-server-no-log-without-loglevel': TOOLS,
      'tasks-mrtr-composition': differs(
        'A call becomes a task at once; what it needs from a person is asked of the task (tasks/get), not before it.',
      ),
      'http-custom-header-server-validation': optional(
        'No argument of an agent is mirrored in a header: x-mcp-header in a schema is refused when the fleet starts.',
      ),
    },
  },
  client: {},
}
