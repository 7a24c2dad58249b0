import type { Kysely } from 'kysely'

/** Tables of the database port. One query builder serves PostgreSQL and SQLite. */
export interface Tables {
  usage_ledger: {
    /** Id of the UsageRecorded event: an event delivered twice is one row. */
    event_id: string
    task_id: string
    call_id: string
    kind: string
    user_id: string | null
    agent: string | null
    model: string | null
    provider: string | null
    tool: string | null
    input_tokens: number
    output_tokens: number
    cost: number
    cost_is_guess: number
    duration_ms: number
    succeeded: number
    error_code: string | null
    cached: number
    at_ms: number
  }
  task_ledger: {
    task_id: string
    status: string
    user_id: string | null
    agent: string | null
    model: string | null
    profile: string | null
    execution_ms: number
    input_tokens: number
    output_tokens: number
    cost: number
    steps: number
    error_code: string | null
    submitted_at_ms: number
    completed_at_ms: number
    /** Beginning of what was asked, on one line; null in rows of earlier versions. */
    text_start: string | null
    /** Hash of the text (`runtime/ledger/asked.ts`); null in rows of earlier versions. */
    text_hash: string | null
    /** Conversation, and task that it was made from; null also in rows of earlier versions. */
    session_id: string | null
    parent: string | null
  }
  /** Tasks that were submitted and have no result in the ledger yet. */
  open_tasks: {
    task_id: string
    text_start: string
    text_hash: string
    user_id: string | null
    /** Agent, model and profile as the submission names them: null means the fleet's choice. */
    agent: string | null
    model: string | null
    profile: string | null
    lane: number
    submitted_at_ms: number
    session_id: string | null
    parent: string | null
  }
  /** Feedback on a task: it may arrive before the task does. */
  task_feedback: {
    task_id: string
    /** 0 to 1, from FeedbackGiven; null until given. */
    satisfaction: number | null
    comment: string | null
    given_by: string | null
    given_at_ms: number
    /** 0 to 1, from QualityScored; null until given. */
    quality: number | null
    scorer: string | null
    scored_at_ms: number
  }
  /** Sessions, as their history says. */
  sessions: {
    session_id: string
    user_id: string | null
    begun_at_ms: number
    last_at_ms: number
    turns: number
    /** Stands for the turns through `summary_through` in what tasks are given. */
    summary: string | null
    summary_through: number | null
    /** JSON: sizes of the Python variables that are kept, by agent. Null: none were. */
    variables: string | null
  }
  session_turns: {
    session_id: string
    turn: number
    task_id: string
    status: string
    asked: string
    answered: string
    at_ms: number
  }
  /** Keys of the HTTP API. Revoked and expired ones stay: once a fleet has had a key, its API stays closed. */
  api_keys: {
    /** Public. */
    id: string
    /** SHA-256 of the secret, as hex. */
    secret_hash: string
    name: string
    /** Null: every user. */
    user_id: string | null
    /** JSON list. */
    scopes: string
    /** JSON list; null: every agent. */
    agents: string | null
    created_at_ms: number
    created_by: string | null
    /** JSON list of users; null: none. */
    made_by: string | null
    expires_at_ms: number | null
    last_used_at_ms: number | null
    revoked_at_ms: number | null
  }
  /** Runs of evaluations. */
  evaluation_runs: {
    id: string
    name: string
    dataset: string
    dataset_hash: string
    agent: string | null
    /** JSON list. */
    models: string
    epochs: number
    cases: number
    status: string
    started_at_ms: number
    ended_at_ms: number | null
    /** JSON. */
    settings: string
    /** How far a run over real tasks has read; null: it has not, or is over a data set. */
    position: string | null
    /** JSON; null until the run ended. */
    summary: string | null
  }
  /** Scored cases: one for each case, model and epoch of a run. */
  evaluation_cases: {
    run_id: string
    case_id: string
    model: string
    epoch: number
    task_id: string
    case_hash: string
    status: string
    passed: number
    score: number | null
    /** JSON list. */
    scores: string
    /** Why it could not be scored. */
    problem: string | null
    input: string
    /** JSON. */
    output: string
    /** JSON object. */
    metadata: string
    answered_by: string | null
    cost: number
    judge_cost: number
    cost_is_guess: number
    latency_ms: number
    steps: number
    input_tokens: number
    output_tokens: number
    error_code: string | null
    scored_at_ms: number
  }
  /** Calls that wait or waited for a person. */
  approvals: {
    task_id: string
    call_id: string
    tool: string
    /** approval, question or doubt. */
    why: string
    /** waiting, or how it ended. */
    status: string
    step: number
    user_id: string | null
    agent: string | null
    /** JSON, as asked for. */
    arguments: string
    /** JSON of CallHeld. */
    terms: string
    /** JSON of CallHeld. */
    votes: string
    held_at_ms: number
    expires_at_ms: number | null
    ended_at_ms: number | null
    /** JSON: how people decided; null while it waits. */
    approval: string | null
  }
  blobs: { hash: string; bytes: Uint8Array; created_at_ms: number }
}

/** Error code of calls of which nobody knows whether they took effect. Indexed: it is part of a migration. */
export const IN_DOUBT = 'CALL_OUTCOME_UNKNOWN'

export type Sql = Kysely<Tables>
