import { useWords } from '@/i18n'
import { words } from '@/app/words.ts'
import { Page } from '@/shared/Page.tsx'

export default function Start() {
  const t = useWords(words)
  return <Page title={t('audit')}>{null}</Page>
}
