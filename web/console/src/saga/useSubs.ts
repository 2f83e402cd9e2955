import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { isSub, type GraphStep } from './graph'

type Version = Schemas['SagaVersion']

/** versionKey is where a version of a saga is kept; versions never change. */
export function versionKey(saga: string, version: number | undefined) {
  return ['saga', saga, version ?? 'newest'] as const
}

/** loadVersion asks for a version, or the newest. */
export function loadVersion(saga: string, version: number | undefined, signal?: AbortSignal): Promise<Version> {
  return version
    ? ask(
        api.GET('/api/v1/sagas/definitions/{saga}/versions/{version}', {
          params: { path: { saga, version } },
          signal: signal ?? null,
        }),
      )
    : ask(api.GET('/api/v1/sagas/definitions/{saga}', { params: { path: { saga } }, signal: signal ?? null }))
}

/** graphSteps are the steps of a version as the graph takes them. */
export function graphSteps(version: Pick<Version, 'steps'> | undefined): GraphStep[] {
  const steps = version?.steps ?? []
  return steps.map((step) => ({ ...step, id: step.id ?? '', kind: step.kind ?? '', after: step.after ?? [] }))
}

interface Wanted {
  readonly path: string
  readonly saga: string
  readonly version: number | undefined
}

/** useSubs loads the steps of the sub-sagas that are unfolded in a graph. */
export function useSubs(root: Version | undefined) {
  const client = useQueryClient()
  const [paths, setPaths] = useState<readonly string[]>([])
  const wanted: Wanted[] = []
  const known = new Map<string, Version>()
  for (const path of [...paths].sort()) {
    const cut = path.lastIndexOf('/')
    const parent = cut < 0 ? root : known.get(path.slice(0, cut))
    const step = graphSteps(parent).find((each) => each.id === path.slice(cut + 1))
    if (!step || !isSub(step) || !step.target) continue
    const one = { path, saga: step.target, version: parent?.subs?.[step.target] }
    wanted.push(one)
    const there = client.getQueryData<Version>(versionKey(one.saga, one.version))
    if (there) known.set(path, there)
  }
  const answers = useQueries({
    queries: wanted.map(({ saga, version }) => ({
      queryKey: versionKey(saga, version),
      queryFn: ({ signal }: { signal: AbortSignal }) => loadVersion(saga, version, signal),
      staleTime: version ? Infinity : 10_000,
    })),
  })
  const loaded = wanted.map(({ path }, i) => [path, answers[i]?.data] as const)
  const mark = loaded.map(([path, data]) => `${path}@${data?.digest ?? ''}`).join(' ')
  const open = useMemo(() => {
    const there = loaded.filter((each): each is readonly [string, Version] => !!each[1])
    return Object.fromEntries(there.map(([path, version]) => [path, graphSteps(version)]))
    // The mark says whether anything has changed.
  }, [mark])
  const fold = useCallback((path: string) => {
    setPaths((was) => (was.includes(path) ? was.filter((each) => each !== path) : [...was, path]))
  }, [])
  return { open, fold, error: answers.find((answer) => answer.error)?.error }
}
