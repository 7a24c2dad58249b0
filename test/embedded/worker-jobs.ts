// The script of the pool under test.
import { threadId } from 'node:worker_threads'
import { FlotillaError } from '../../runtime/errors.ts'
import { serveJobs } from '../../runtime/worker/thread.ts'

serveJobs({
  echo: (input: unknown) => input,
  thread: () => threadId,
  environment: () => Object.keys(process.env),
  refuse: (message: string) => {
    throw new FlotillaError('TOOL_FAILED', message)
  },
  break: () => {
    throw new TypeError('broken')
  },
  compute: () => {
    for (;;);
  },
  match: () => /^(a+)+$/.test(`${'a'.repeat(60)}!`),
  hold: () => {
    const held: object[] = []
    for (;;) held.push({ held: held.length })
  },
  recurse: function recurse(): number {
    return recurse() + 1
  },
  exit: () => process.exit(3),
  large: (chars: number) => 'x'.repeat(chars),
})
