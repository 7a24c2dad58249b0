// Signs in at the fleet's OpenID provider: authorization code with PKCE. What must outlive the way there and back is in
// the session storage of this tab until then: the state and the verifier, which are of no use without the answer.
import { SIGNED_IN_PAGE } from '../../../api/console.ts'
import { ApiError, get, post, type Got } from './client.ts'

const STORED = 'flotilla.sign-in'
const SECRET_BYTES = 32

interface Leaving {
  readonly state: string
  readonly verifier: string
  /** Where the viewer was. */
  readonly place: string
}

export type Provider = NonNullable<Got<'/v1/sign-in'>['openid']>

export const provider = async (): Promise<Provider | null> => (await get('/v1/sign-in')).openid

/** Leaves the page. */
export async function leave({ authorizeUrl }: Provider): Promise<void> {
  const leaving = { state: secret(), verifier: secret(), place: location.pathname + location.search }
  sessionStorage.setItem(STORED, JSON.stringify(leaving))
  const url = new URL(authorizeUrl)
  if (!/^https?:$/.test(url.protocol))
    throw new ApiError(0, { message: 'The issuer has no address of the web.' })
  url.searchParams.set('redirect_uri', redirectUri())
  url.searchParams.set('state', leaving.state)
  url.searchParams.set('code_challenge', await challengeOf(leaving.verifier))
  location.assign(url)
}

export const isBack = (): boolean => location.pathname === SIGNED_IN_PAGE

/** The token, once the provider has sent the browser back. Rejects with ApiError. The address is as before. */
export async function finish(): Promise<string> {
  const query = location.search.slice(1)
  const { state, verifier, place } = taken()
  history.replaceState(null, '', place)
  if (state === '')
    throw new ApiError(0, { message: 'This tab did not begin to sign in.', remedy: 'Sign in once more.' })
  const { token } = await post('/v1/sign-in', { query, state, verifier, redirectUri: redirectUri() })
  return token
}

function taken(): Leaving {
  const stored = sessionStorage.getItem(STORED)
  sessionStorage.removeItem(STORED)
  if (stored === null) return { state: '', verifier: '', place: '/' }
  return JSON.parse(stored) as Leaving
}

const redirectUri = (): string => location.origin + SIGNED_IN_PAGE

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

const secret = (): string => base64url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))

/** Browsers hash over https and on this machine alone. */
async function challengeOf(verifier: string): Promise<string> {
  if (!isSecureContext)
    throw new ApiError(0, {
      message: 'The browser signs in over https alone.',
      remedy: 'Open the console by https, or sign in with a key.',
    })
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
}
