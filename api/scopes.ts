// What a client of the HTTP API may do, by name. Each route asks for one scope (route-scopes.ts); a key or a token
// carries some. A configuration names them too: tools those of their approvers, tokens what they stand for.

/** Every scope and what it allows. */
export const scopes = {
  'tasks:submit': 'submit tasks',
  'tasks:read': 'read own tasks: state, updates and results',
  'tasks:read:all': "read every user's tasks, results and usage",
  'tasks:cancel': 'cancel and rate own tasks; with tasks:read:all, those of every user',
  'evaluations:write': 'store and delete runs of evaluations',
  'approvals:decide': 'approve or reject tool calls that wait for a person',
  'ops:read': 'read topics, lanes, breakers, dead letters, alerts, limits and configuration',
  'ops:write': 'pause stages, replay and purge dead letters, silence alerts, rebuild limits',
  'keys:write': 'create, list and revoke API keys',
} as const

export type Scope = keyof typeof scopes

export const allScopes = Object.keys(scopes) as Scope[]

export const isScope = (name: string): name is Scope => Object.hasOwn(scopes, name)

/** Usual sets of scopes, by name: `keys create --role` and roles of tokens. */
export const roles = {
  user: ['tasks:submit', 'tasks:read', 'tasks:cancel'],
  service: ['tasks:submit', 'tasks:read', 'tasks:read:all', 'tasks:cancel', 'evaluations:write'],
  approver: ['tasks:read', 'tasks:read:all', 'approvals:decide'],
  monitor: ['ops:read'],
  operator: ['tasks:read', 'tasks:read:all', 'tasks:cancel', 'approvals:decide', 'ops:read', 'ops:write'],
  admin: allScopes,
} as const satisfies Readonly<Record<string, readonly Scope[]>>

export type Role = keyof typeof roles

export const roleNames = Object.keys(roles) as Role[]

/** The scopes that these names of scopes and roles stand for, and the names that stand for none. */
export function scopesNamed(names: readonly string[]): { scopes: Scope[]; unknown: string[] } {
  const found = new Set<Scope>()
  const unknown: string[] = []
  for (const name of names)
    if (isScope(name)) found.add(name)
    else if (Object.hasOwn(roles, name)) roles[name as Role].forEach((scope) => found.add(scope))
    else unknown.push(name)
  return { scopes: allScopes.filter((scope) => found.has(scope)), unknown }
}
