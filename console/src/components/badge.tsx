// The state of something as a coloured dot and a word: never by the colour alone.

export type Tone = 'good' | 'bad' | 'wait' | 'busy' | 'idle'

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return <span class={`badge ${tone}`}>{children}</span>
}

const tones: Readonly<Record<string, Tone>> = {
  queued: 'idle',
  running: 'busy',
  waiting: 'wait',
  succeeded: 'good',
  failed: 'bad',
  rejected: 'bad',
  timed_out: 'bad',
  cancelled: 'idle',
}

const words: Readonly<Record<string, string>> = {
  submitted: 'submitted',
  approval: 'needs a person',
  limit: 'at a limit',
  breaker: 'breaker open',
  retry: 'retrying',
  paused: 'stage paused',
}

/** The state of a task, with what an open one does or waits for. */
export function TaskState({ status, phase }: { readonly status: string; readonly phase: string | null }) {
  const more = phase === null ? undefined : words[phase]
  const tone = more !== undefined && phase !== 'submitted' ? 'wait' : (tones[status] ?? 'idle')
  return Badge({ tone, children: more ?? status.replace('_', ' ') })
}
