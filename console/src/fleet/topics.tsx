import { get } from '../api/client.ts'
import { Badge } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { AGAIN_MS } from './loading.ts'

/** The fleet's topics and what they hold. */
export function Topics() {
  const loaded = useLoaded('topics', (signal) => get('/v1/topics', { signal }), AGAIN_MS)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Topics">
      <Part loaded={loaded} what="topics">
        {(topics) => (
          <Sheet
            label="Topics of the fleet"
            rows={topics}
            keyOf={({ name }) => name}
            columns={[
              { title: 'Topic', cell: ({ name }) => <code>{name}</code> },
              {
                title: 'Records',
                isNumber: true,
                cell: ({ records, leaderless }) => `${count(records)}${leaderless === undefined ? '' : '+'}`,
              },
              {
                title: 'Partitions',
                isNumber: true,
                cell: ({ partitions, leaderless }) => (
                  <>
                    {count(partitions)}
                    {leaderless !== undefined && (
                      <p>
                        <Badge tone="bad">{`no leader: ${line(leaderless.join(', '), 60)}`}</Badge>
                      </p>
                    )}
                  </>
                ),
              },
              { title: 'Events', isWide: true, cell: ({ events }) => events.join(', ') },
              { title: 'What it is for', isWide: true, cell: ({ purpose }) => purpose },
            ]}
          />
        )}
      </Part>
    </div>
  )
}
