import { Button, Center, Code, Group, Stack, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useRouteError } from 'react-router'
import { useWords } from '@/i18n'
import { useLive } from './live.tsx'
import { unloadedAt } from './unloaded.ts'
import { words } from './words.ts'

/** Crash stands for a page whose code has thrown or could not be fetched, so that the rest goes on. */
export function Crash() {
  const error = useRouteError()
  const at = unloadedAt(error)
  return at === undefined ? <Thrown error={error} /> : <Unloaded error={error} at={at} />
}

function Thrown({ error }: { error: unknown }) {
  const t = useWords(words)
  return (
    <Center mih="60vh">
      <Stack align="flex-start" maw={560} p="md">
        <Title order={1}>{t('crashed')}</Title>
        <Text>{t('crashedHelp')}</Text>
        <Code block>{error instanceof Error ? error.message : String(error)}</Code>
        <Button onClick={() => location.reload()}>{t('reload')}</Button>
      </Stack>
    </Center>
  )
}

/** Unloaded stands for a page that could not be fetched, and waits for the server. The document is loaded anew only
 * once that answers: otherwise the browser would put an error of its own in place of the console. */
export function Unloaded({ error, at }: { error: unknown; at: number }) {
  const t = useWords(words)
  const { state, again } = useLive()
  const [asking, setAsking] = useState(false)
  const back = state === 'live' && again !== undefined && again >= at
  useEffect(() => {
    if (back) location.reload()
  }, [back])
  useEffect(() => {
    document.title = `${t('unloaded')} · Concord`
  })
  const ask = async () => {
    setAsking(true)
    const answer = await fetch('/auth/ways', { cache: 'no-store' }).catch(() => undefined)
    if (answer?.ok) location.reload()
    else setAsking(false)
  }
  return (
    <Center mih="60vh">
      <Stack align="flex-start" maw={560} p="md" role="alert">
        <Title order={1}>{t('unloaded')}</Title>
        <Text>{t('unloadedHelp')}</Text>
        <Text size="xs" c="dimmed" className="mono">
          {error instanceof Error ? error.message : String(error)}
        </Text>
        <Group gap="md">
          <Button onClick={() => void ask()} loading={asking || back}>
            {t('tryAgain')}
          </Button>
        </Group>
      </Stack>
    </Center>
  )
}
