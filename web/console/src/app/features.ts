import { useMe } from '@/api/session.ts'

/** usePlayground says whether the server plays participants, which it does with --dev alone. */
export function usePlayground(): boolean {
  return useMe().data?.playground === true
}
