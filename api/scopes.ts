// What a client of the HTTP API may do. Each route asks for one scope (route-scopes.ts).
export {
  allScopes,
  isScope,
  roleNames,
  roles,
  scopes,
  scopesNamed,
  type Role,
  type Scope,
} from '../runtime/config/scopes.ts'
