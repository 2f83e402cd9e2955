import { Button, Center, Code, Stack, Text, Title } from '@mantine/core'
import { useRouteError } from 'react-router'
import { useWords } from '@/i18n'
import { words } from './words.ts'

/** Crash stands for a page whose code has thrown, so that the rest goes on. */
export function Crash() {
  const t = useWords(words)
  const error = useRouteError()
  return (
    <Center mih="60vh" component="main">
      <Stack align="flex-start" maw={560} p="md">
        <Title order={1}>{t('crashed')}</Title>
        <Text>{t('crashedHelp')}</Text>
        <Code block>{error instanceof Error ? error.message : String(error)}</Code>
        <Button onClick={() => location.reload()}>{t('reload')}</Button>
      </Stack>
    </Center>
  )
}
