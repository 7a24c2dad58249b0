// A conversation: each message is a task of one session, and the fleet keeps what was said.
import type { Command } from 'commander'
import { connect } from '../../client/connect.ts'
import { httpOperator } from '../../operator/http.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { Chat, type ChatOptions } from '../actions/chat.ts'
import { ChatInput } from '../actions/chat-input.ts'
import { exitCodeHelp } from '../program/exit-codes.ts'
import { leaveOnInterrupt } from '../program/interrupts.ts'
import { openFleet, type OpenFleet } from '../fleet/here.ts'
import { LiveView } from '../output/live-view.ts'
import { paint, say } from '../output/output.ts'
import { besideClient } from '../output/pause-notice.ts'
import { addTaskOptions } from '../program/task-options.ts'
import { addViewOptions, detailOf } from '../program/view-options.ts'

type Flags = ChatOptions & { readonly url?: string }

export function defineChat(command: Command): void {
  command
    .description('talk with an agent in a session: a new one, or one that is continued')
    .option(
      '--url <url>',
      'gateway of the fleet (default: FLOTILLA_URL, KAFKA_BROKERS, else this machine as for run)',
    )
    .addHelpText(
      'after',
      `\nOn a terminal: /help, /new, /quit; Ctrl-C cancels the running turn, a second\nCtrl-C or Ctrl-D leaves. In a pipe each line is a message, and the answers are\non stdout; the first turn that does not succeed ends the command with its code.\n\n${exitCodeHelp}`,
    )
  addTaskOptions(command, ['sessionId', 'agent', 'model', 'userId'])
  addViewOptions(command).action(chat)
}

async function chat(flags: Flags): Promise<void> {
  const code = await withFleet(flags, async (fleet) => {
    const input = new ChatInput()
    try {
      return await new Chat(fleet, input, flags).run()
    } finally {
      input.close()
      leaveOnInterrupt({ left: () => 'Left while the fleet was ending; its next start carries on.' })
    }
  })
  process.exit(code)
}

/** A fleet that is named is used, as all other commands use it; else it is the one of this machine. */
async function withFleet(flags: Flags, talk: (fleet: OpenFleet) => Promise<number>): Promise<number> {
  const { raw, kafkaBrokers } = readEnvironment(process.env)
  const note = (text: string) => say(paint('yellow', `  ${text}`))
  if (flags.url !== undefined || raw['FLOTILLA_URL'] || kafkaBrokers.length > 0)
    return withNamedFleet(flags.url, note, talk)
  const fleet = await openOwn(flags, note)
  try {
    return await talk(fleet)
  } finally {
    await fleet.stop()
  }
}

async function withNamedFleet(
  url: string | undefined,
  note: (text: string) => void,
  talk: (fleet: OpenFleet) => Promise<number>,
): Promise<number> {
  const onReconnect = ({ message }: Error) => note(`${message}; reconnecting`)
  const client = await connect({ ...(url === undefined ? {} : { url: gatewayUrl(url) }), onReconnect })
  const stop = () => client.close()
  try {
    if (url === undefined)
      return await besideClient(({ pauses }) =>
        talk({ client, isOwn: false, pauses: () => pauses.list(), stop }),
      )
    const { pauses } = httpOperator(url, { apiKey: process.env['FLOTILLA_API_KEY'] })
    return await talk({ client, isOwn: false, pauses: () => pauses.list(), stop })
  } finally {
    await stop()
  }
}

function gatewayUrl(url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new FlotillaError(
    'REQUEST_INVALID',
    `--url ${url} is no URL of a gateway, such as http://127.0.0.1:8000`,
  )
}

async function openOwn(flags: Flags, note: (text: string) => void): Promise<OpenFleet> {
  const view = new LiveView({ detail: detailOf(flags) })
  view.now('starting')
  try {
    return await openFleet(flags.model ?? null, note, { isQuiet: flags.quiet })
  } finally {
    view.end()
  }
}
