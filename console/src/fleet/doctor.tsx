// The checks of doctor: what works, what does not, and what to do about it. They run when they are looked at, not by
// an interval: they ask the model.
import { get, type Got } from '../api/client.ts'
import { now } from '../clock.ts'
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { ago, count, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line, visible } from '../text.ts'

type Report = Got<'/v1/doctor'>
type Finding = Report['findings'][number]

const tones: Readonly<Record<Finding['result'], Tone>> = {
  ok: 'good',
  warn: 'wait',
  failed: 'bad',
  skipped: 'idle',
}
const words: Readonly<Record<Finding['result'], string>> = {
  ok: 'works',
  warn: 'weaker',
  failed: 'fails',
  skipped: 'not tried',
}

const order = ['failed', 'warn', 'skipped', 'ok'] as const
const worstFirst = (a: Finding, b: Finding): number => order.indexOf(a.result) - order.indexOf(b.result)

export function Doctor() {
  const loaded = useLoaded('doctor', (signal) => get('/v1/doctor', { signal }))
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Doctor">
      <div class="part-actions">
        <p class="muted doctor-when" role="status">
          {loaded.isAsking ? 'Checking…' : loaded.value === null ? '' : <Summary report={loaded.value} />}
        </p>
        <button disabled={loaded.isAsking} onClick={loaded.again}>
          Check again
        </button>
      </div>
      <Part loaded={loaded} what="the checks, which take up to 20 seconds">
        {({ findings }) => (
          <ul class="findings" aria-label="Findings">
            {findings.toSorted(worstFirst).map((finding) => (
              <FindingLine key={finding.check} finding={finding} />
            ))}
          </ul>
        )}
      </Part>
    </div>
  )
}

/** Reasons of others may be as long as they like. */
const LONGEST = 1_000

function FindingLine({ finding: { check, result, code, reason, remedy } }: { readonly finding: Finding }) {
  return (
    <li>
      <b>{line(check, 60)}</b> <Badge tone={tones[result]}>{words[result]}</Badge>
      <div>
        <p>
          {code !== null && <code>{line(code, 60)}</code>} <bdi>{visible(reason.slice(0, LONGEST))}</bdi>
        </p>
        {remedy !== null && <p class="remedy">{visible(remedy.slice(0, LONGEST))}</p>}
      </div>
    </li>
  )
}

function Summary({ report: { atMs, findings } }: { readonly report: Report }) {
  const having = (result: Finding['result']) => findings.filter((each) => each.result === result).length
  const [failed, weaker] = [having('failed'), having('warn')]
  return (
    <>
      {failed === 0 ? 'Nothing fails' : `${count(failed)} of ${count(findings.length)} fail`}
      {weaker > 0 && `, ${count(weaker)} with a weaker guarantee`} · seen by the gateway that answered,{' '}
      <time title={exactTime(atMs)}>{ago(atMs, now.value)}</time>
    </>
  )
}
