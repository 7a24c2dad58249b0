// Text of any length, as text. Long text comes in parts that the browser lays out when they are near, in a box of its
// own that scrolls.
import { useMemo, useState } from 'preact/hooks'
import { bytes } from '../format.ts'
import { pythonParts } from '../python.ts'
import { parts, visible } from '../text.ts'
import { Copy } from './copy.tsx'

const SHOWN_CHARS = 6_000
const PART_CHARS = 8_000

interface LongTextProps {
  readonly text: string
  readonly label: string
  /** Prose wraps in the page's own type; other text is monospaced. */
  readonly isProse?: boolean
}

export function LongText({ text, label, isProse = false }: LongTextProps) {
  const [isWhole, setWhole] = useState(false)
  const isLong = text.length > SHOWN_CHARS
  const shown = isLong && !isWhole ? text.slice(0, SHOWN_CHARS) : text
  const pieces = useMemo(() => parts(visible(shown), PART_CHARS), [shown])
  return (
    <div class={`long-text${isProse ? ' prose' : ''}`}>
      <div class="long-text-box" tabIndex={canScroll(shown) ? 0 : undefined} role="group" aria-label={label}>
        {pieces.map((piece, index) => (
          <div key={index} class="long-text-part" dir="auto">
            {piece}
          </div>
        ))}
      </div>
      {text !== '' && <Copy text={text} what={label} />}
      {isLong && (
        <button class="link" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'Show less' : `Show all ${bytes(text.length)}`}
        </button>
      )}
    </div>
  )
}

/** About what is higher than its box; one that scrolls must be within reach of the keyboard. */
const canScroll = (text: string): boolean => text.length > 1_200 || text.split('\n', 17).length > 16

export function Python({ code, label }: { readonly code: string; readonly label: string }) {
  const pieces = useMemo(() => pythonParts(visible(code)), [code])
  return (
    <div class="long-text">
      <pre class="long-text-box python" tabIndex={0} role="group" aria-label={label}>
        <code>
          {pieces.map(({ kind, text }, index) =>
            kind === 'plain' ? (
              text
            ) : (
              <span key={index} class={`py-${kind}`}>
                {text}
              </span>
            ),
          )}
        </code>
      </pre>
      <Copy text={code} what={label} />
    </div>
  )
}
