import type { Liveness } from '@/api/stream.ts'
import { useWords } from '@/i18n'
import { words } from '@/app/words.ts'
import { Mark } from './StatusBadge.tsx'

/** LiveMark says whether a stream still speaks. */
export function LiveMark({ state }: { state: Liveness }) {
  const t = useWords(words)
  return <Mark tone={state === 'live' ? 'good' : state === 'stale' ? 'warn' : 'idle'} text={t(state)} />
}
