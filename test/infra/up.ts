// `node test/infra/up.ts kafka registry redis`: starts these (all, when none is named), prints one NAME=value line for
// each address on standard output, stays in the foreground, and takes everything down on SIGINT or SIGTERM.
import { componentNames, startStack, type ComponentName } from './stack.ts'

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !componentNames.includes(name as ComponentName))
if (unknown.length > 0) {
  console.error(`unknown component ${unknown.join(', ')}; there are: ${componentNames.join(' ')}`)
  process.exit(2)
}
process.once('uncaughtException', (error) => {
  console.error(error.message)
  process.exit(1)
})

const stopped = new Promise<void>((settle) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => settle())
})
const names = asked.length > 0 ? (asked as ComponentName[]) : componentNames
const stack = await startStack(names, (name, ms) => console.error(`# ${name} is up after ${ms} ms`))
for (const [name, value] of Object.entries(stack.environment)) console.log(`${name}=${value}`)
console.error('# everything is up; end it with Ctrl-C or SIGTERM')
await stopped
await stack.stop()
process.exit(0)
