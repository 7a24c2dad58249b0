// A session under test: messages that come, and turns that end.
import { defaultSessions, type Sessions } from '../../../runtime/config/sessions.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { TurnEnded, TurnRequested } from '../../../schemas/generated/events.ts'
import { createSessionsStage } from '../../../services/sessions/stage.ts'

export const START = 1_750_000_000_000

export const sessionOf = (limits: Partial<Sessions> = {}): StageDriver =>
  drive(createSessionsStage({ sessions: { ...defaultSessions, ...limits } }), { now: START })

export function message(driver: StageDriver, task: string, changes: Partial<TurnRequested> = {}) {
  const data: TurnRequested = {
    sessionId: 's1',
    task,
    userId: 'ann',
    agent: 'default',
    whenBusy: 'queue',
    text: `ask ${task}`,
    parent: null,
    submittedAtMs: driver.now - 1_000,
    deadlineMs: driver.now + 60_000,
    outputSchema: null,
    executor: null,
    ...changes,
  }
  return driver.send('sessions.requested', 'TurnRequested', data, { key: data.sessionId })
}

export function ended(driver: StageDriver, task: string, changes: Partial<TurnEnded> = {}) {
  const data: TurnEnded = {
    sessionId: 's1',
    task,
    userId: 'ann',
    agent: 'default',
    model: 'gpt-4o',
    status: 'succeeded',
    text: `ask ${task}`,
    output: `answer ${task}`,
    error: null,
    steered: [],
    endedAtMs: driver.now,
    variables: null,
    ...changes,
  }
  return driver.send('sessions.requested', 'TurnEnded', data, { key: data.sessionId })
}

export const granted = (driver: StageDriver): string[] =>
  driver.all('TurnGranted').map(({ taskId }) => taskId)

export const settled = (driver: StageDriver): string[] =>
  driver.all('TurnSettled').map(({ taskId, status, error }) => `${taskId} ${error?.code ?? status}`)
