// Answers of the scripted model that wait until a test has seen what must come before them: no latency is long enough
// on every machine.
import type { ScriptedModelOptions } from '../../runtime/scripted-model/server.ts'

export interface HeldAnswers {
  /** For the model's options. */
  readonly until: NonNullable<ScriptedModelOptions['until']>
  /** From now on, answers to tasks with this `task=` marker wait; those of its first `free` turns (default 0) don't. */
  hold(mark: string, free?: number): void
  /** Those that wait are sent, and later ones at once. */
  release(mark: string): void
}

export function holdAnswers(): HeldAnswers {
  const gates = new Map<string, { free: number; open: PromiseWithResolvers<void> }>()
  return {
    until: async ({ taskMark, turn }) => {
      const gate = gates.get(taskMark ?? '')
      if (gate !== undefined && turn >= gate.free) await gate.open.promise
    },
    hold: (mark, free = 0) => void gates.set(mark, { free, open: Promise.withResolvers<void>() }),
    release: (mark) => {
      gates.get(mark)?.open.resolve()
      gates.delete(mark)
    },
  }
}
