// The `flotilla` command.
import { Command } from 'commander'
import { addAlerts } from './commands/alerts.ts'
import { addBreakers } from './commands/breakers.ts'
import { addDeadLetters } from './commands/dead-letters.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addFeedback } from './commands/feedback.ts'
import { addLimits } from './commands/limits.ts'
import { addRun } from './commands/run.ts'
import { addSandbox } from './commands/sandbox.ts'
import { addStart } from './commands/start.ts'
import { addTasks } from './commands/tasks.ts'
import { addTopics } from './commands/topics.ts'
import { addUsage } from './commands/usage.ts'
import { fail } from './output.ts'

const program = new Command('flotilla')
  .description('Run LLM agents as an event-driven fleet: on this machine alone, or on Kafka.')
  .version('0.1.0')
  .showHelpAfterError('(see flotilla --help)')
  .addHelpText(
    'after',
    `
Where it runs
  KAFKA_BROKERS unset   one process, one file under FLOTILLA_DATA (.flotilla/); nothing to install
  KAFKA_BROKERS set     every service on Kafka; also REDIS_URL, DATABASE_URL, SCHEMA_REGISTRY_URL

First steps
  flotilla run "How many orders are open?"      one task, with its steps as they happen
  flotilla start                                the whole fleet, and its HTTP API on PORT (8000)
  flotilla submit "…"; flotilla result --wait ID
  flotilla doctor                               what works here, what does not, and why

Models: set OPENAI_API_KEY (or GROQ_API_KEY, …), or OPENAI_BASE_URL for a server of your own.`,
  )

addRun(program)
addStart(program)
addTasks(program)
addFeedback(program)
addUsage(program)
addAlerts(program)
addTopics(program)
addDeadLetters(program)
addBreakers(program)
addSandbox(program)
addLimits(program)
addDoctor(program)
addDemo(program)

process.on('unhandledRejection', fail)
program.parseAsync().catch(fail)
