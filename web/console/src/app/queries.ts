import { QueryClient } from '@tanstack/react-query'
import { Refused } from '@/api/client.ts'

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
