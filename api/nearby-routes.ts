// The answer to a path that no route has: a client's mistake is mostly a method, or the end of a path.
import { routeName, type Route } from './route.ts'
import { allRoutes } from './routes.ts'

/** More are no help on one line. */
const MOST_NAMED = 20

const segments = (path: string): string[] => (path.split('?')[0] ?? '').split('/').filter(Boolean)

/** How many segments of the asked path the route has from the beginning; `:id` is any. */
function shared(asked: readonly string[], route: readonly string[]): number {
  const end = asked.findIndex((segment, at) => !route[at]?.startsWith(':') && route[at] !== segment)
  return end === -1 ? asked.length : end
}

/** The routes whose paths begin as the asked one for longest, if that is further than `/v1`: one line. */
export function nearbyRoutes(url: string): string {
  const asked = segments(url)
  const found = allRoutes.map((route: Route) => ({ route, length: shared(asked, segments(route.path)) }))
  const longest = Math.max(...found.map(({ length }) => length))
  const isNear = longest > (asked[0] === 'v1' ? 1 : 0)
  const near = isNear
    ? found.filter(({ length }) => length === longest).map(({ route }) => routeName(route))
    : []
  const named = near.length > 0 && near.length <= MOST_NAMED ? `there are ${near.join(', ')}; ` : ''
  return `${named}GET /docs describes every route`
}
