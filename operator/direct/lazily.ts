import { once } from '../../runtime/once.ts'

type Asynchronous<T> = { readonly [Name in keyof T]: (...given: never[]) => Promise<unknown> }
type Methods = Record<PropertyKey, (...given: unknown[]) => Promise<unknown>>

/**
 * A stand-in for a part that is opened at the first call of one of its methods; each method waits for that.
 * A failed opening rejects every call.
 */
export function lazily<T extends Asynchronous<T>>(open: () => Promise<T>): T {
  const opened = once(open)
  return new Proxy({} as T, {
    // A promise asks whatever it resolves with whether it is a promise too.
    get: (_, name) => (name === 'then' ? undefined : callOf(opened, name)),
  })
}

const callOf =
  (opened: () => Promise<unknown>, name: PropertyKey) =>
  async (...given: unknown[]): Promise<unknown> =>
    ((await opened()) as Methods)[name]?.(...given)
