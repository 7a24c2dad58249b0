// A fleet whose tools end or trouble their process. `die`: with a signal. `hog`: by memory. `spin`: it blocks until somebody
// kills it. `leak`: a promise that nobody awaits. `slow`: innocent, and takes its time.
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'

const tool = (name: string, run: () => string | Promise<string>) =>
  defineTool({
    name,
    description: `Test: ${name}.`,
    input: z.object({}),
    output: z.string(),
    idempotent: true,
    timeoutMs: 60_000,
    run,
  })

export default defineFleet({
  tools: [
    tool('die', () => process.abort()),
    tool('hog', () => {
      const kept: number[][] = []
      // In large pieces: nearly full of small ones, a heap is collected again and again before it gives up.
      for (;;) kept.push(new Array<number>(10_000_000).fill(kept.length))
    }),
    tool('spin', () => {
      for (;;);
    }),
    tool('leak', () => {
      void Promise.reject(new Error('leaked by a tool'))
      return 'leaked'
    }),
    tool('slow', async () => {
      await pause(1_500)
      return 'slow'
    }),
  ],
  agents: { default: { mode: 'tools' } },
})
