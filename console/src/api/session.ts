// Who the viewer is to the gateway. The key stays in memory; only if the viewer asks for it, in the session storage of
// this tab, which ends with the tab. It is never in local storage, in a cookie or in an address.
import { computed, signal } from '@preact/signals'
import type { Scope } from '../../../api/scopes.ts'
import { place, here } from '../router.ts'
import { ApiError, asApiError, get, onRefused, useKey, type Me } from './client.ts'
import { finish, isBack } from './openid.ts'

const STORED = 'flotilla.key'
const AGAIN_MS = 2_000

export type SessionState = 'asking' | 'in' | 'locked' | 'away'

export const session = signal<{ readonly state: SessionState; readonly error: ApiError | null }>({
  state: 'asking',
  error: null,
})
export const me = signal<Me | null>(null)
export const may = (scope: Scope): boolean =>
  me.value !== null &&
  (me.value.scopes.includes(scope) || (scope === 'tasks:read' && me.value.scopes.includes('tasks:read:all')))
export const isOpen = computed(() => me.value?.access === 'open')

export async function begin(): Promise<void> {
  onRefused(() => lock(null))
  useKey(sessionStorage.getItem(STORED))
  await (isBack() ? comeBack() : look())
}

/** From the OpenID provider. */
async function comeBack(): Promise<void> {
  try {
    const token = await finish()
    place.value = here()
    await signIn(token, false)
  } catch (cause) {
    place.value = here()
    lock(asApiError(cause))
  }
}

async function look(): Promise<void> {
  try {
    me.value = await get('/v1/me')
    session.value = { state: 'in', error: null }
  } catch (cause) {
    const error = asApiError(cause)
    if (error.status === 401) return lock(null)
    session.value = { state: 'away', error }
    setTimeout(() => void look(), AGAIN_MS)
  }
}

/** Rejects with the gateway's refusal. */
export async function signIn(key: string, isKept: boolean): Promise<void> {
  useKey(key)
  try {
    me.value = await get('/v1/me')
  } catch (cause) {
    useKey(null)
    throw asApiError(cause)
  }
  if (isKept) sessionStorage.setItem(STORED, key)
  session.value = { state: 'in', error: null }
}

export const signOut = (): void => lock(null)

function lock(error: ApiError | null): void {
  useKey(null)
  sessionStorage.removeItem(STORED)
  me.value = null
  session.value = { state: 'locked', error }
}
