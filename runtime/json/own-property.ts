/** Sets a property of the object itself, also where an assignment would not: `__proto__`, a row that is missing. */
export function setOwn(to: object, name: string, value: unknown): void {
  Object.defineProperty(to, name, { value, enumerable: true, configurable: true, writable: true })
}
