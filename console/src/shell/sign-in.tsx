// Asks for a key, or for a token of the fleet's OpenID provider.
import { useEffect, useState } from 'preact/hooks'
import { asApiError, type ApiError } from '../api/client.ts'
import { leave, provider, type Provider } from '../api/openid.ts'
import { session, signIn } from '../api/session.ts'
import { Field } from '../components/fields.tsx'

export function SignIn() {
  const [key, setKey] = useState('')
  const [isKept, setKept] = useState(false)
  const [error, setError] = useState<ApiError | null>(session.value.error)
  const [isAsking, setAsking] = useState(false)
  const [openid, setOpenid] = useState<Provider | null>(null)
  const fail = (cause: unknown): void => setError(asApiError(cause))
  useEffect(() => void provider().then(setOpenid, fail), [])
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setAsking(true)
    setError(null)
    await signIn(key.trim(), isKept).catch(fail)
    setAsking(false)
  }
  return (
    <main class="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <h1>Flotilla</h1>
        {session.value.state === 'ended' ? (
          <p class="notice" role="alert">
            The gateway does not accept your key any more: it has ended or was revoked. Sign in again; what
            you typed is kept.
          </p>
        ) : (
          <p class="muted">
            This fleet is closed: it needs {openid === null ? 'a key' : 'you to sign in, or a key'}.
          </p>
        )}
        {openid !== null && (
          <button type="button" class="primary" onClick={() => void leave(openid).catch(fail)}>
            Sign in at {hostOf(openid.issuer)}
          </button>
        )}
        <Field
          label="API key or token"
          type="password"
          value={key}
          onInput={setKey}
          placeholder="flk_…"
          isRequired
          error={error === null ? undefined : `${error.message}. ${error.remedy}`}
          hint="Made by: flotilla keys create NAME --role operator"
        />
        <label class="check">
          <input
            type="checkbox"
            checked={isKept}
            onChange={(event) => setKept(event.currentTarget.checked)}
          />
          Keep it until this tab is closed
        </label>
        <button class={openid === null ? 'primary' : ''} disabled={isAsking || key.trim() === ''}>
          {isAsking ? 'Checking…' : openid === null ? 'Sign in' : 'Sign in with the key'}
        </button>
      </form>
    </main>
  )
}

const hostOf = (issuer: string): string => URL.parse(issuer)?.host ?? issuer
