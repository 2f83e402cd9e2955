import { defineWords } from '@/i18n'
import { words as zh } from './wordsZh.ts'
import { words as en } from './wordsEn.ts'

export const words = defineWords(en, zh)
