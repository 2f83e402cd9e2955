import { QueryClient } from '@tanstack/react-query'
import { Refused, whenForged } from '@/api/client.ts'
import { meKey } from '@/api/session.ts'

/** queries holds all server state. What may succeed later is asked twice more; a refusal is shown at once. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      refetchOnWindowFocus: true,
      retry: (failed, error) => error instanceof Refused && error.retryable && failed < 2,
    },
    mutations: { retry: false },
  },
})

// Who is signed in, and the token that goes with it, are asked for again; what was refused can then be sent again.
whenForged(() => void queries.invalidateQueries({ queryKey: meKey }))
