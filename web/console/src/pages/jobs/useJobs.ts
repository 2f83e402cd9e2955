import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, ask, type Schemas } from '@/api/client.ts'
import type { Action, Job } from './progress.ts'

/** Target is what a job is about: transactions that were picked, or all that a filter finds. */
export type Target = { readonly xids: readonly string[] } | { readonly filter: Schemas['JobFilter'] }

/** planJob has the server make a plan; nothing is done by that. */
export function planJob(action: Action, target: Target, ratePerSecond: number): Promise<Job> {
  const what = 'xids' in target ? { xids: [...target.xids] } : { filter: target.filter }
  return ask(api.POST('/api/v1/jobs', { body: { action, ratePerSecond, ...what } }))
}

/** discardJob drops a plan that nobody wants to start; that it may be gone already matters to nobody. */
export async function discardJob(id: string): Promise<void> {
  await api.POST('/api/v1/jobs/{job}/cancel', { params: { path: { job: id } } }).catch(() => undefined)
}

export function useJob(id: string) {
  return useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/jobs/{job}', { params: { path: { job: id } }, signal })),
    refetchInterval: (query) => (query.state.data?.state === 'running' ? 700 : 5000),
  })
}

/** useStart starts a job, or asks for a second person where it needs one. */
export function useStart() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ job, reason }: { job: Job; reason: string }) =>
      ask(
        api.POST('/api/v1/jobs/{job}/start', {
          params: { path: { job: job.id ?? '' } },
          body: { digest: job.digest ?? '', reason },
        }),
      ) as Promise<Job & Schemas['Asked']>,
    onSettled: (_answer, _error, { job }) => {
      void client.invalidateQueries({ queryKey: ['job', job.id] })
      void client.invalidateQueries({ queryKey: ['jobs'] })
    },
  })
}

export function useCancel() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => ask(api.POST('/api/v1/jobs/{job}/cancel', { params: { path: { job: id } } })),
    onSettled: (_answer, _error, id) => {
      void client.invalidateQueries({ queryKey: ['job', id] })
      void client.invalidateQueries({ queryKey: ['jobs'] })
    },
  })
}
