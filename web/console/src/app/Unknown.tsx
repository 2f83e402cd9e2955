import { Button } from '@mantine/core'
import { Link } from 'react-router'
import { useWords } from '@/i18n'
import { Empty } from '@/shared/Empty.tsx'
import { words } from './words.ts'

/** Unknown answers addresses that no page has. */
export function Unknown() {
  const t = useWords(words)
  return (
    <Empty title={t('unknownPage')} text={t('unknownPageHelp')} heading>
      <Button component={Link} to="/" variant="default">
        {t('backToOverview')}
      </Button>
    </Empty>
  )
}
