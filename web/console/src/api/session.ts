import { useQuery, useQueryClient } from '@tanstack/react-query'
import { api, ask, setCSRF, type Schemas } from './client.ts'

export type Role = 'viewer' | 'operator' | 'resolver' | 'admin' | 'service' | 'decider' | 'member'

const brings: Record<string, readonly Role[]> = {
  admin: ['resolver', 'service'],
  resolver: ['operator'],
  operator: ['viewer', 'decider'],
  service: ['decider'],
  viewer: ['member'],
  decider: ['member'],
}

/** hasRole says whether roles that were given bring along the one that is wanted. The server decides; this only saves
 * people from asking in vain. */
export function hasRole(given: readonly string[], wanted: Role): boolean {
  return given.some((role) => role === wanted || hasRole(brings[role] ?? [], wanted))
}

export const meKey = ['me'] as const

async function fetchMe(signal?: AbortSignal): Promise<Schemas['Me']> {
  const me = await ask(api.GET('/api/v1/me', { signal }))
  setCSRF(me.csrfToken ?? '')
  return me
}

/** useMe returns who is signed in; its error has the code notSignedIn if nobody is. */
export function useMe() {
  return useQuery({
    queryKey: meKey,
    queryFn: ({ signal }) => fetchMe(signal),
    staleTime: 60_000,
    retry: false,
  })
}

/** useMay says whether the person may do what needs a role. While that is not known the answer is no. */
export function useMay(role: Role): boolean {
  const me = useMe()
  return hasRole(me.data?.roles ?? [], role)
}

/** useSignOut returns what ends the session, and forgets all that was shown. */
export function useSignOut(): () => Promise<void> {
  const client = useQueryClient()
  return async () => {
    const out = await ask(api.POST('/auth/logout', {}))
    setCSRF('')
    client.clear()
    if (out?.providerLogoutUrl) location.assign(out.providerLogoutUrl)
    else location.assign('/sign-in')
  }
}
