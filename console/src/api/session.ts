// Who the viewer is to the gateway. The key stays in memory; only if the viewer asks for it, in the session storage of
// this tab, which ends with the tab. It is never in local storage, in a cookie or in an address.
import { computed, signal } from '@preact/signals'
import type { Scope } from '../../../api/scopes.ts'
import { dropDrafts, openDrafts } from '../drafts.ts'
import { place, here } from '../router.ts'
import { ApiError, asApiError, get, onRefused, useKey, type Me } from './client.ts'
import { finish, isBack } from './openid.ts'

const STORED = 'flotilla.key'
const AGAIN_MS = 2_000

/** `ended`: it was in, until the gateway refused its key. */
export type SessionState = 'asking' | 'in' | 'locked' | 'ended' | 'away'

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
  onRefused(() => lock(session.value.state === 'in' || session.value.state === 'ended' ? 'ended' : 'locked'))
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
    lock('locked', asApiError(cause))
  }
}

let lookingAgain: ReturnType<typeof setTimeout> | undefined

async function look(): Promise<void> {
  clearTimeout(lookingAgain)
  try {
    enter(await get('/v1/me'))
  } catch (cause) {
    const error = asApiError(cause)
    if (error.status === 401) return lock('locked')
    session.value = { state: 'away', error }
    // One at a time, however often the viewer asks for it.
    clearTimeout(lookingAgain)
    lookingAgain = setTimeout(() => void look(), AGAIN_MS)
  }
}

/** Rejects with the gateway's refusal. */
export async function signIn(key: string, isKept: boolean): Promise<void> {
  useKey(key)
  let found: Me
  try {
    found = await get('/v1/me')
  } catch (cause) {
    useKey(null)
    throw asApiError(cause)
  }
  if (isKept) sessionStorage.setItem(STORED, key)
  enter(found)
}

function enter(found: Me): void {
  openDrafts(found.userId === null ? `key ${found.name}` : `user ${found.userId}`)
  me.value = found
  session.value = { state: 'in', error: null }
}

/** What was typed and not sent goes with it. */
export function signOut(): void {
  dropDrafts()
  lock('locked')
}

function lock(state: 'locked' | 'ended', error: ApiError | null = null): void {
  useKey(null)
  sessionStorage.removeItem(STORED)
  me.value = null
  session.value = { state, error }
}
