import { Alert, Button, Group, Text } from '@mantine/core'
import { Refused } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { Icon } from './Icon.tsx'
import { words } from './words.ts'

/** ErrorBox shows a failure in the server's own words, with the id that finds it in the server's log. */
export function ErrorBox({ error, retry, stale }: { error: unknown; retry?: () => void; stale?: boolean }) {
  const t = useWords(words)
  const refused = error instanceof Refused ? error : undefined
  const silent = refused?.status === 0
  const title = silent ? t('noAnswer') : refused ? refused.message : String(error)
  return (
    <Alert
      role="alert"
      variant="outline"
      className="error-box"
      icon={<Icon path="M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3.5M8 11v.2" size={18} />}
      title={title}
    >
      {silent && <Text size="sm">{t('noAnswerHelp')}</Text>}
      {refused?.detail && <Text size="sm">{refused.detail}</Text>}
      {stale && <Text size="sm">{t('showing')}</Text>}
      <Group gap="md" mt={4}>
        {refused && !silent && (
          <Text size="xs" c="dimmed" className="mono">
            {refused.status} {refused.code}
            {refused.requestId && ` · ${t('requestId', { id: refused.requestId })}`}
          </Text>
        )}
        {retry && (
          <Button size="compact-xs" variant="default" onClick={retry}>
            {t('retry')}
          </Button>
        )}
      </Group>
    </Alert>
  )
}
