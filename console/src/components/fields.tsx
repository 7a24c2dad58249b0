// Labelled fields of forms.
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly onInput: (value: string) => void
  readonly hint?: string | undefined
  readonly error?: string | undefined
  readonly placeholder?: string | undefined
  /** Offered as one types. */
  readonly options?: readonly string[] | undefined
  readonly type?: 'text' | 'number' | 'password' | 'search'
  readonly isRequired?: boolean
}

export function Field(props: FieldProps) {
  const {
    label,
    value,
    onInput,
    hint,
    error,
    options,
    placeholder,
    type = 'text',
    isRequired = false,
  } = props
  const id = useId()
  return (
    <div class={`field${error === undefined ? '' : ' wrong'}`}>
      <label for={id}>{label}</label>
      <input
        {...({ type: type === 'number' ? 'text' : type, list: options && `${id}-list` } as object)}
        id={id}
        inputMode={type === 'number' ? 'decimal' : undefined}
        autocomplete="off"
        spellcheck={false}
        value={value}
        required={isRequired}
        placeholder={placeholder}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {options && (
        <datalist id={`${id}-list`}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
      <p id={`${id}-hint`} class="hint">
        {error ?? hint}
      </p>
    </div>
  )
}

interface AreaProps extends Omit<FieldProps, 'options' | 'type'> {
  readonly rows?: number
  readonly isCode?: boolean
  readonly onSubmit?: () => void
  readonly hasFocus?: boolean
}

export function Area(props: AreaProps) {
  const {
    label,
    value,
    onInput,
    hint,
    error,
    placeholder,
    rows = 4,
    isCode = false,
    onSubmit,
    hasFocus,
  } = props
  const id = useId()
  return (
    <div class={`field${error === undefined ? '' : ' wrong'}`}>
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        class={isCode ? 'code' : ''}
        placeholder={placeholder}
        spellcheck={!isCode}
        value={value}
        ref={(element) => void (hasFocus && element?.dataset['seen'] === undefined && focusOnce(element))}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) onSubmit?.()
        }}
      />
      <p id={`${id}-hint`} class="hint">
        {error ?? hint}
      </p>
    </div>
  )
}

function focusOnce(element: HTMLElement | null): void {
  if (element === null) return
  element.dataset['seen'] = ''
  element.focus()
}

interface ChoiceProps {
  readonly label: string
  readonly value: string
  readonly options: readonly { readonly value: string; readonly label: string }[]
  readonly onChange: (value: string) => void
  readonly hint?: ComponentChildren
}

export function Choice({ label, value, options, onChange, hint }: ChoiceProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <p class="hint">{hint}</p>
    </div>
  )
}
