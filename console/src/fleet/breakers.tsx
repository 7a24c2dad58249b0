// Circuit breakers, those that are not closed first.
import { get } from '../api/client.ts'
import { now } from '../clock.ts'
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { Empty } from '../components/states.tsx'
import { ago, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { AGAIN_MS, type Breaker } from './loading.ts'

const tones: Readonly<Record<Breaker['state'], Tone>> = { closed: 'good', open: 'bad', half_open: 'wait' }
const words: Readonly<Record<Breaker['state'], string>> = {
  closed: 'closed',
  open: 'open',
  half_open: 'being tried',
}

export function Breakers() {
  const loaded = useLoaded('breakers', (signal) => get('/v1/breakers', { signal }), AGAIN_MS)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Breakers">
      <Part loaded={loaded} what="breakers">
        {(breakers) =>
          breakers.length === 0 ? (
            <Empty title="No breaker has changed its state">
              <p>
                A breaker opens when most calls of a model or tool fail; tasks then wait instead of failing.
              </p>
            </Empty>
          ) : (
            <Sheet
              label="Circuit breakers"
              rows={breakers}
              keyOf={({ breaker, stage, instance }) => `${breaker} ${stage} ${instance}`}
              columns={[
                {
                  title: 'Target',
                  cell: ({ breaker }) => (
                    <code>
                      <bdi>{line(breaker, 80)}</bdi>
                    </code>
                  ),
                },
                {
                  title: 'State',
                  cell: ({ state, stale }) =>
                    stale ? (
                      <Badge tone="idle">{`${words[state]}, process gone`}</Badge>
                    ) : (
                      <Badge tone={tones[state]}>{words[state]}</Badge>
                    ),
                },
                {
                  title: 'Since',
                  cell: ({ sinceMs }) => <time title={exactTime(sinceMs)}>{ago(sinceMs, now.value)}</time>,
                },
                { title: 'Last failure', isWide: true, cell: ({ reason }) => line(reason ?? '–', 400) },
                { title: 'Stage', cell: ({ stage }) => line(stage, 40) },
                { title: 'Process', cell: ({ instance }) => <bdi>{line(instance, 60)}</bdi> },
              ]}
            />
          )
        }
      </Part>
    </div>
  )
}
