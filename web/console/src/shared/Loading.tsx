import { Skeleton, Stack } from '@mantine/core'
import { useWords } from '@/i18n'
import { words } from './words.ts'

/** Loading stands where something will be, in about its shape. */
export function Loading({ rows = 6 }: { rows?: number }) {
  const t = useWords(words)
  return (
    <Stack gap="sm" p="md" role="status" aria-label={t('loading')}>
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={18} width={`${92 - ((i * 17) % 38)}%`} />
      ))}
    </Stack>
  )
}
