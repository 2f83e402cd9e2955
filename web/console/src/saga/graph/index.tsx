import { lazy, Suspense } from 'react'
import { Loading } from '@/shared/Loading.tsx'
import type { SagaGraphProps } from './SagaGraph.tsx'

export type { SagaGraphProps } from './SagaGraph.tsx'
export type { Direction, PlacedEdge } from './layout.ts'
export { modelOf, stepsOf, type GraphModel, type GraphStep } from './model.ts'
export { paintTone, type Paint, type Paints, type PaintState } from './paint.ts'
export { iconOf, isSub, kindWord } from './kinds.ts'
export { StepList } from './StepList.tsx'

const Lazy = lazy(() => import('./SagaGraph.tsx'))

/** SagaGraph draws a saga. Its code, which is large, is loaded when it is first shown. */
export function SagaGraph(props: SagaGraphProps) {
  return (
    <Suspense fallback={<Loading rows={8} />}>
      <Lazy {...props} />
    </Suspense>
  )
}
