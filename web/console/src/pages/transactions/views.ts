import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, ask, type Schemas } from '@/api/client.ts'

const list = 'transactions'
const key = ['views', list] as const

export type SavedView = Schemas['SavedView']

/** useViews returns the saved views, one's own and the shared ones. */
export function useViews() {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/views', { params: { query: { list } }, signal })),
    staleTime: 60_000,
  })
}

/** Wish is what a view shall be; with an id it replaces that one. */
export interface Wish {
  id?: string
  name: string
  query: string
  columns: readonly string[]
  shared: boolean
}

export function useSaveView() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, columns, ...wish }: Wish) => {
      const body = { ...wish, list, columns: [...columns] }
      if (!id) return ask(api.POST('/api/v1/views', { body }))
      return ask(api.PUT('/api/v1/views/{view}', { params: { path: { view: id } }, body }))
    },
    onSettled: () => client.invalidateQueries({ queryKey: key }),
  })
}

export function useDeleteView() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => ask(api.DELETE('/api/v1/views/{view}', { params: { path: { view: id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: key }),
  })
}
